import { join } from 'node:path'
import { expect, test } from 'vitest'
import { withFolder } from '../helpers/folders.ts'
import { makeTree } from '../helpers/trees.ts'
import { once, runPython } from './python.ts'

/** Runs cells one after the other in a real IPython, and prints what each left. */
const SHELL = `
import sys, warnings
warnings.simplefilter("default")  # IPython's own
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance(colors="NoColor")
def cell(text):
    result = shell.run_cell(text)
    print("-", type(result.error_in_exec or result.error_before_exec).__name__, flush=True)
cell("%load_ext colab_escape")
`

test('in IPython: the magic runs commands, takes variables without a shell, and its failure ends a run of cells', () =>
  withFolder(async folder => {
    makeTree(join(folder, 'a b'), { x: '1' })
    const { stdout, stderr } = await runPython(
      `${SHELL}
cell("path = 'a b'; text = '$(touch run)'")
cell("%colab_escape push {path!r} -m {text!r} --tag t")
cell("%colab_escape log --json")
cell("%colab_escape pull nothing")
cell("%colab_escape push 'a b' --metric x")
shell.run_cell("import os; os.environ['COLAB_ESCAPE_PROGRAM'] = '/nowhere'")
cell("%colab_escape log")`,
      { cwd: folder },
    )
    expect(stdout.replaceAll(/\r *\r?/g, '')).toMatch(
      new RegExp(
        [
          '- NoneType\n- NoneType\nPushed a b@[0-9a-f]{8} to .*store\n  1 file, 1 B.*\n(  .*\n)+- NoneType',
          '{"event":"progress".*}\n{"event":"result","command":"log".*"message":"\\$\\(touch run\\)","tags":\\["t"\\].*}\n- NoneType',
          'error: There is no "nothing" in .*\n  -> It holds: a b\n- _MagicError',
          'error: --metric x needs a name and a number\\.\n  -> .*\n- _MagicError',
          'error: There is no program /nowhere\\.\n  -> .*\n- _MagicError\n$',
        ].join('\n'),
      ),
    )
    expect(stdout).not.toContain('Traceback')
    expect(stderr).toBe('')
  }))

test('in IPython: a cell is watched while it runs, in its own variables, and interrupts leave a last version', () =>
  withFolder(async folder => {
    makeTree(join(folder, 'runs'), { a: '1' })
    const { stdout, stderr } = await runPython(
      `${SHELL}
cell("""%%colab_escape watch runs --name cells --every 100ms --settle 100ms
import pathlib
made = pathlib.Path("runs/b").write_text("2")
!echo from the cell
made + 1""")
cell("made")
cell("""%%colab_escape watch runs --name cells --every 100ms --settle 100ms
import time
pathlib.Path("runs/c").write_text("3")
print("now", flush=True)
time.sleep(60)""")
cell("""%%colab_escape push runs
1""")
cell("import colab_escape; colab_escape.latest('cells')")
print(c.latest("cells").files)`,
      { cwd: folder, onOutput: once('now\n', pid => process.kill(pid, 'SIGINT')) },
    )
    expect(stdout).toMatch(
      /^- NoneType\nfrom the cell\r?\nOut\[1\]: 2\n- NoneType\nOut\[1\]: 1\n- NoneType\nnow\n?---[^]*\n.* 4 time\.sleep\(60\)\n[^]*KeyboardInterrupt: \n- KeyboardInterrupt\nerror: Write `%%colab_escape watch PATH`[^]*- _MagicError\nOut\[1\]: cells@[0-9a-f]{8} {2}\S+ \S+ {2}3 B\n- NoneType\n3\n$/,
    )
    expect(stdout).not.toContain('colab_escape.py')
    expect(stderr).toBe('')
  }))

test('in a notebook progress is one line on stdout, in a script there is none', () =>
  withFolder(async folder => {
    makeTree(join(folder, 'data'), { a: 'x'.repeat(1000) })
    const source = (kernel: string): string => `${SHELL}
${kernel}
import io
c.push("data")
c.push("data", progress=True, name="other")`
    const script = await runPython(source(''), { cwd: folder })
    expect(script.stdout).toBe('- NoneType\n')
    expect(script.stderr).toMatch(/^\rListing *\r[^\n]*$/)
    const notebook = await runPython(source('shell.kernel = object()').replaceAll('"data"', '"data", create=True'), { cwd: folder })
    expect(notebook.stdout).toMatch(/^- NoneType\n(\r[A-Z][^\n\r]+)+\r +\r(\r[A-Z][^\n\r]+)+\r +\r$/)
    expect(notebook.stderr).toBe('')
  }))
