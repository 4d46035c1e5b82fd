"""The one thing that every front end talks to: `facade.Wizard` puts lab, steps, services and engine together."""
