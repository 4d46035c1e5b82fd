"""The lines that a diff adds."""

from __future__ import annotations

from hol_wizard.services.git.clone import _added_lines

DIFF = """\
diff --git a.py a.py
index 1..2 100644
--- a.py
+++ a.py
@@ -1 +1,2 @@
-old
+new
+++ counts += 1\rand more\x0cstill
@@ -9,0 +11 @@ def f():
+late
diff --git b c.txt b c.txt
new file mode 100644
--- /dev/null
+++ b c.txt
@@ -0,0 +1 @@
+first
\\ No newline at end of file
"""


def test_added_lines_have_their_path_and_number_whatever_is_in_them() -> None:
    assert _added_lines(DIFF) == {
        "a.py": [(1, "new"), (2, "++ counts += 1\rand more\x0cstill"), (11, "late")],
        "b c.txt": [(1, "first")],
    }
