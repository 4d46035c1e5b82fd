"""What the app has just done or found, in lines of its own: a message never covers what the person reads."""

from __future__ import annotations

from textual.content import Content
from textual.widgets import Static

_STYLES = {"information": ("·", "$accent bold"), "warning": ("!", "$warning bold"), "error": ("✗", "$error bold")}


class MessageLine(Static):
    """Takes room only while there is a message."""

    DEFAULT_CSS = """
    MessageLine {
        display: none;
        height: auto;
        max-height: 3;
        padding: 0 1;
        background: $boost;
        color: $foreground;
        &.-shown { display: block; }
    }
    """

    def __init__(self) -> None:
        super().__init__(markup=False)

    def show(self, message: Content) -> None:
        """Show a message; an empty one removes the last."""
        self.set_class(bool(message), "-shown")
        self.update(message)


def message_content(text: str, title: str, severity: str) -> Content:
    """Return a message as one paragraph, with a sign for how serious it is."""
    sign, style = _STYLES.get(severity, _STYLES["information"])
    own = title.startswith(("✓", "✗", "!"))
    parts = [] if own else [(f"{sign} ", style)]
    if title:
        parts.append((f"{title}  " if own else f"{title}: ", "bold"))
    return Content.assemble(*parts, " ".join(text.split()))
