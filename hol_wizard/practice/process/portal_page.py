"""The portal's page: static HTML without any other file; its program inserts every text as text, never as HTML."""

from __future__ import annotations

import base64
import hashlib
from typing import Final

_STYLE: Final = """
:root { color-scheme: light dark; font: 16px/1.4 system-ui, sans-serif; }
body { max-width: 72rem; margin: 1.5rem auto; padding: 0 1rem; }
table { border-collapse: collapse; width: 100%; margin-bottom: 1.5rem; }
th, td { text-align: left; padding: .25rem .75rem .25rem 0; border-bottom: 1px solid #8886; overflow-wrap: anywhere; }
tr.chosen td { font-weight: bold; background: #ffd54a55; }
"""
_SCRIPT: Final = """
"use strict";
const asked = new URLSearchParams(location.hash.slice(1));
const message = document.getElementById("message");
const main = document.querySelector("main");
let chosen = null;

function put(parent, name, text) {
  const made = document.createElement(name);
  made.textContent = text;
  parent.append(made);
  return made;
}

function show(title, heads, rows, ids) {
  put(main, "h2", `${title} (${rows.length})`);
  if (!rows.length) {
    put(main, "p", "None.");
    return;
  }
  const table = put(main, "table", "");
  const head = put(put(table, "thead", ""), "tr", "");
  for (const each of heads) put(head, "th", each).scope = "col";
  const body = put(table, "tbody", "");
  rows.forEach((row, index) => {
    const line = put(body, "tr", "");
    for (const each of row) put(line, "td", each);
    if (ids && wanted && ids[index].toLowerCase() === wanted.toLowerCase()) {
      line.className = "chosen";
      line.setAttribute("aria-current", "true");
      chosen = line;
    }
  });
}

const wanted = asked.get("resource") || "";
const groupOf = (id) => id.split("/")[4] || "";

async function look() {
  const answer = await fetch("snapshot", { headers: { Authorization: `Bearer ${asked.get("token") || ""}` } });
  if (answer.status === 401) {
    message.textContent = "This address is no longer valid. Open the portal again from the wizard, with o.";
    return;
  }
  if (!answer.ok) throw new Error(`status ${answer.status}`);
  const seen = await answer.json();
  show("Subscriptions", ["Name", "ID"], seen.subscriptions.map((each) => [each.name, each.id]),
    seen.subscriptions.map((each) => `/subscriptions/${each.id}`));
  show("Resource groups", ["Name", "Region"], seen.groups.map((each) => [each.name, each.location]),
    seen.groups.map((each) => each.id));
  show("Resources", ["Name", "Type", "Resource group", "Region", "State"],
    seen.resources.map((each) => [each.name, each.type, groupOf(each.id), each.location, each.state]),
    seen.resources.map((each) => each.id));
  show("Role assignments", ["Role", "Principal", "Scope"],
    seen.roles.map((each) => [each.role, each.principal, each.scope]));
  show("Key vaults", ["Name", "Secrets (names only)"],
    seen.vaults.map((each) => [each.name, each.secrets.join(", ") || "None."]));
  show("Azure DevOps projects", ["Organization", "Project", "Repository"],
    seen.projects.map((each) => [each.organization, each.name, each.repository]));
  show("Pipeline runs", ["ID", "Project", "Pipeline", "Branch", "State", "Result", "Queued"],
    seen.runs.map((each) => [each.id, each.project, each.pipeline, each.branch, each.state, each.result, each.queued]));
  message.textContent = `As of ${new Date().toLocaleTimeString()}. Reload the page to look again.`;
  if (wanted && !chosen) message.textContent += ` This does not exist yet: ${wanted}`;
  if (chosen) chosen.scrollIntoView({ block: "center" });
}

addEventListener("hashchange", () => location.reload());
look().catch(() => {
  message.textContent = "The practice cloud does not respond. Start it: hol-wizard practice start";
});
"""
PAGE: Final = f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Practice cloud</title>
<link rel="icon" href="data:,">
<style>{_STYLE}</style>
</head>
<body>
<h1>Practice cloud</h1>
<p>This page shows what exists in the practice cloud on this machine. It changes nothing.</p>
<p id="message" role="status">Looking …</p>
<main></main>
<noscript><p>This page needs JavaScript.</p></noscript>
<script>{_SCRIPT}</script>
</body>
</html>
"""


def _digest(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


CONTENT_SECURITY_POLICY: Final = "; ".join(
    (
        "default-src 'none'",
        f"script-src {_digest(_SCRIPT)}",
        f"style-src {_digest(_STYLE)}",
        "img-src data:",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
"""Only the page's own program and style, and requests to its own port."""
