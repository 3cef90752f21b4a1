"""Runs the cells of a notebook as Colab does: each `!` line in a shell under a terminal of 0 x 0 characters.

Reads one JSON text a line from stdin, the code of a cell. Writes one JSON line for it to stdout: "outputs" as a notebook has them, "error"
(null, or the name of the exception), and "asked": whether the cell asked for consent to use Drive, which whoever runs
this then gives. There is no Google here: `google.colab.auth` only asks.
"""
import contextlib
import io
import json
import os
import subprocess
import sys
import types

from IPython.core.displayhook import DisplayHook
from IPython.core.interactiveshell import InteractiveShell

answers = os.fdopen(os.dup(1), "w")
os.environ["TERM"] = "xterm-color"
asked = False
results = []


def authenticate_user():
    global asked
    asked = True


auth = types.ModuleType("google.colab.auth")
auth.authenticate_user = authenticate_user
colab = types.ModuleType("google.colab")
colab.auth = auth
sys.modules.update({"google.colab": colab, "google.colab.auth": auth})


class Results(DisplayHook):
    def write_output_prompt(self):
        pass

    def write_format_data(self, format_dict, md_dict=None):
        results.append(format_dict["text/plain"])

    def finish_displayhook(self):
        pass


def system(command):
    master, slave = os.openpty()
    child = subprocess.Popen(["/bin/bash", "-c", command], stdin=slave, stdout=slave, stderr=slave, start_new_session=True)
    os.close(slave)
    written = b""
    while True:
        try:
            piece = os.read(master, 65536)
        except OSError:  # EIO: the other side is closed
            break
        if not piece:
            break
        written += piece
    shell.user_ns["_exit_code"] = child.wait()
    os.close(master)  # only now: it hangs up
    sys.stdout.write(written.decode("utf-8", "replace"))


InteractiveShell.displayhook_class = Results
shell = InteractiveShell.instance(colors="NoColor")
shell.system = system
shell.kernel = None  # as in a notebook, where colab_escape draws its progress
sys.path.insert(0, "")  # as in a notebook


def run(source):
    global asked
    asked, shell.user_ns["_exit_code"] = False, 0
    results.clear()
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
        result = shell.run_cell(source, store_history=True)
    error = result.error_before_exec or result.error_in_exec
    if error is None and shell.user_ns["_exit_code"] != 0:
        error = OSError("exit code %s" % shell.user_ns["_exit_code"])
    outputs = []
    if printed.getvalue():
        outputs.append({"output_type": "stream", "name": "stdout", "text": printed.getvalue()})
    for text in results:
        data = {"text/plain": text}
        outputs.append({"output_type": "execute_result", "data": data, "execution_count": None, "metadata": {}})
    return {"outputs": outputs, "error": error and repr(error), "asked": asked}


for line in sys.stdin:
    print(json.dumps(run(json.loads(line))), file=answers, flush=True)
