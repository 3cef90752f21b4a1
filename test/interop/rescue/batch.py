"""Runs rescue.py with each of the lists of arguments in stdin, all in this process, and prints what came of it."""
import contextlib, importlib.util, io, json, sys

spec = importlib.util.spec_from_file_location("rescue", sys.argv[1])
rescue = importlib.util.module_from_spec(spec)
spec.loader.exec_module(rescue)
results = []
for arguments in json.load(sys.stdin):
    stdout, stderr = (io.TextIOWrapper(io.BytesIO(), "utf-8", "backslashreplace", write_through=True) for _ in range(2))
    sys.argv = ["rescue.py", *arguments]
    with contextlib.redirect_stdout(stdout), contextlib.redirect_stderr(stderr):
        try:
            rescue.main()
            code = 0
        except SystemExit as end:
            code = end.code or 0
    results.append({"code": code, **{key: stream.buffer.getvalue().decode() for key, stream in (("stdout", stdout), ("stderr", stderr))}})
json.dump(results, sys.stdout)
