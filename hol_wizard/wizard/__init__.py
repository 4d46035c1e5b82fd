"""The only interface for front ends: `facade.Wizard` combines lab, steps, services and engine."""
