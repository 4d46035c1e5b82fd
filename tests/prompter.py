"""A prompter of GNOME Keyring without a person: it answers no question, or says no to each.

It has the bus name of the desktop's own (gcr, `GcrSystemPrompter`), whose interface is
`org.gnome.keyring.internal.Prompter`; its client's is `org.gnome.keyring.internal.Prompter.Callback`.
"""

from __future__ import annotations

import sys

from jeepney import DBusAddress, MessageType, message_bus, new_method_call, new_method_return
from jeepney.io.blocking import open_dbus_connection
from jeepney.low_level import HeaderFields

NAME = "org.gnome.keyring.SystemPrompter"
CALLBACK = "org.gnome.keyring.internal.Prompter.Callback"


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def serve(*, refusing: bool) -> None:
    """Serve until the bus ends; each question is a line on the output."""
    with open_dbus_connection() as bus:
        bus.send_and_get_reply(message_bus.RequestName(NAME))
        say("ready")
        while True:
            asked = bus.receive()
            if asked.header.message_type is not MessageType.method_call:
                continue
            fields = asked.header.fields
            member = fields.get(HeaderFields.member)
            bus.send(new_method_return(asked))
            if member not in {"BeginPrompting", "PerformPrompt"}:
                continue
            say(str(member))
            if refusing:
                client = DBusAddress(asked.body[0], fields[HeaderFields.sender], CALLBACK)
                reply = "" if member == "BeginPrompting" else "no"
                bus.send(new_method_call(client, "PromptReady", "sa{sv}s", (reply, {}, "")))


if __name__ == "__main__":
    try:
        serve(refusing=sys.argv[1] == "refuse")
    except ConnectionError:
        sys.exit(0)
