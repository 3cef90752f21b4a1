import { execFileSync } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { canBeNobody, runCli, withSandbox } from '../helpers/cli.ts'
import { withDrive } from '../helpers/drive.ts'
import { withFolder } from '../helpers/folders.ts'
import { expectSameTree, makeTree } from '../helpers/trees.ts'
import { driveEnvironment } from '../drive/drive-cli.ts'
import { MODULE_FOLDER, PROGRAM, runPython, type PythonOptions } from './python.ts'

const MODULE = join(MODULE_FOLDER, 'colab_escape.py')

/** What a program that must succeed prints, as JSON. */
async function answer(source: string, options: PythonOptions): Promise<unknown> {
  const { code, stdout, stderr } = await runPython(`import json\n${source}`, options)
  expect(code, stderr).toBe(0)
  return JSON.parse(stdout)
}

test('the module is Python 3.8, needs the standard library alone, and a linter finds nothing', () => {
  const CHECK = `
import ast, pathlib, sys
tree = ast.parse(pathlib.Path(sys.argv[1]).read_text(), feature_version=(3, 8))
# what functions import is there when they run
names = [name for node in tree.body if isinstance(node, (ast.Import, ast.ImportFrom))
         for name in ([node.module] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names])]
print(sorted({name.split(".")[0] for name in names} - set(sys.stdlib_module_names)))`
  expect(execFileSync('/usr/bin/python3', ['-W', 'error', '-c', CHECK, MODULE], { encoding: 'utf8' })).toBe('[]\n')
  execFileSync('/usr/bin/python3', [
    '-W',
    'error',
    '-c',
    `import pathlib; compile(pathlib.Path(${JSON.stringify(MODULE)}).read_text(), "m", "exec")`,
  ])
  expect(execFileSync('/usr/bin/python3', ['-m', 'pyflakes', MODULE], { encoding: 'utf8' })).toBe('')
})

test('the command python hands out the module, and says where it is', () =>
  withSandbox(async sandbox => {
    const { bytes } = await sandbox.ok('python')
    expect(bytes.equals(readFileSync(MODULE))).toBe(true)
    expect((await sandbox.ok('python', '--path')).stdout).toBe(`${MODULE_FOLDER}\n`)
    expect(await sandbox.json('python')).toMatchObject({ source: bytes.toString() })
  }))

test('push, log, latest, resume and pull, with names that a shell or an option would take', () =>
  withFolder(async folder => {
    for (const name of ['-m', '--store', 'a b $(touch run) "x"', 'Größe – 日本 🎉'])
      makeTree(join(folder, name), { 'ä.txt': name, '-f': 'more' })
    const printed = await answer(
      `
import pathlib
names = ["-m", "--store", 'a b $(touch run) "x"', pathlib.Path("Größe – 日本 🎉")]
assert c.latest("nothing") is None and c.resume("nothing") is None
results = [c.push(name, message="--help $(touch run)", metrics={"-loss"[1:]: i / 3}, tags=["-t%d" % i, "é"]) for i, name in enumerate(names)]
again = c.push(names[0])
write("-m/new", "x" * 5000)
second = c.push("-m", metrics={"loss": 1e-7}, tags="one")
pulled = [c.pull(result, "out%d" % i) for i, result in enumerate(results[1:])]
best = c.resume("-m", "-best", best="max:loss")
newest = c.resume("-m", "-newest")
c.pull(c.log("-m")[1], "out-first")
import os
print(json.dumps({
  "outcomes": [r.outcome for r in results + [again, second]],
  "log": [[v.name, v.tags, v.message, v.metrics, v.files, v.time.tzinfo is not None] for v in c.log()],
  "latest": c.latest("-m").version == second.version,
  "best": best.version == second.version or best.version, "newest": newest.version == second.version,
  "path": os.path.join(newest, "new"), "text": [str(second), str(newest)], "first": results[0].version,
  "typed": [type(second).__name__, second.files, second.bytes, second.new_bytes > 5000, second.stored_bytes < 1000, second.warnings],
}))`,
      { cwd: folder },
    )
    const { first } = printed as { first: string }
    const odd = ['Größe – 日本 🎉', 'a b $(touch run) "x"', '--store']
    expect(printed).toMatchObject({
      outcomes: ['stored', 'stored', 'stored', 'stored', 'unchanged', 'stored'],
      latest: true,
      best: true,
      newest: true,
      path: join(folder, '-newest/new'),
      text: [expect.stringMatching(/^Pushed -m@[0-9a-f]{8}: 3 files, 5\.01 kB; /), expect.stringMatching(/^Pulled -m@/)],
      typed: ['PushResult', 3, 5006, true, true, []],
    })
    expect((printed as { log: unknown[] }).log).toEqual([
      ['-m', ['one'], null, { loss: 1e-7 }, 3, true],
      ...odd.map((name, i) => [name, [`-t${3 - i}`, 'é'], '--help $(touch run)', { loss: (3 - i) / 3 }, 2, true]),
      ['-m', ['-t0', 'é'], '--help $(touch run)', { loss: 0 }, 2, true],
    ])
    expect(first).toMatch(/^[0-9a-f]{64}$/)
    expect(existsSync(join(folder, 'run'))).toBe(false)
    expectSameTree(join(folder, 'out2'), join(folder, 'Größe – 日本 🎉'))
    expectSameTree(join(folder, '-newest'), join(folder, '-m'))
  }))

test('each exit code is a class of errors, with code, message, hint and list', () =>
  withFolder(async folder => {
    makeTree(join(folder, 'data'), { a: '1', b: '2' })
    const printed = await answer(
      `
def error(*call, **options):
    try:
        call[0](*call[1:], **options)
    except c.ColabEscapeError as e:
        assert e.hint and "-> " + e.hint in str(e)
        return [type(e).__name__, e.code, e.exit_code, e.message, e.list]
c.push("data")
write("data/a", "local")
print(json.dumps([
  error(c.push, "nothing"), error(c.pull, "data", "data"), error(c.push, "data", nonsense=1), error(c.push, "data", metrics={"1 2": 3}),
  error(c.resume, "data", "new", best="val_loss"), error(c.push, "data", token="secret"), error(c.log, program="/nowhere"),
  error(c.watch("data", every="often").__enter__), error(c.push, "a\\0b"),
]))`,
      { cwd: folder },
    )
    expect(printed).toEqual([
      ['NotFound', 'not-found', 5, expect.stringContaining('nothing'), []],
      ['WouldOverwrite', 'would-overwrite', 8, expect.any(String), [expect.stringMatching(/\ba$/)]],
      ['UsageError', 'usage', 2, expect.stringContaining('--nonsense'), []],
      ['UsageError', 'usage', 2, expect.stringContaining('1 2'), []],
      ['NotFound', 'not-found', 5, expect.stringContaining('val_loss'), []],
      ['UsageError', 'usage', 2, "`token` isn't an option of this function.", []],
      ['ProgramMissing', 'no-program', 1, 'There is no program /nowhere.', []],
      ['UsageError', 'usage', 2, expect.stringContaining('--every'), []],
      ['ColabEscapeError', 'io', 1, expect.stringContaining('null byte'), []],
    ])
    expect(readFileSync(join(folder, 'data/a'), 'utf8')).toBe('local')
  }))

test('without a login: NotAuthenticated, and no version is taken for none', () =>
  withDrive({}, emulator =>
    withFolder(async folder => {
      makeTree(join(folder, 'data'), { a: '1' })
      const source = `
for call in [lambda: c.push("data"), lambda: c.resume("data"), lambda: c.latest("data")]:
    try:
        print("no error", call())
    except c.NotAuthenticated as error:
        print(error.code, error.exit_code)`
      const { stdout, stderr } = await runPython(source, { cwd: folder, env: driveEnvironment(emulator, folder) })
      expect([stdout, stderr]).toEqual(['unauthenticated 4\n'.repeat(3), ''])
    }),
  ))

test.skipIf(!canBeNobody)('files that can not be read: PartlyDone, and all others are saved', () =>
  withFolder(async folder => {
    chmodSync(folder, 0o777)
    makeTree(join(folder, 'data'), { a: '1', secret: { file: '2', mode: 0 } })
    const source = `
import os
os.setgid(65534); os.setuid(65534)
try:
    c.push("data")
except c.PartlyDone as error:
    print(error.result.version == c.latest("data").version, [os.path.basename(each) for each in error.list], error.result.files)`
    const { stdout, stderr } = await runPython(source, { cwd: folder })
    expect([stdout, stderr]).toEqual(["True ['secret'] 1\n", expect.stringMatching(/^warning: .*secret/)])
  }),
)

test('the program is found in PATH and in the package, and Node must be there and new enough', () =>
  withFolder(async folder => {
    const bin = join(folder, 'bin')
    makeTree(join(folder, 'data'), { a: '1' })
    mkdirSync(bin)
    symlinkSync(process.execPath, join(bin, 'node'))
    const source = `
try:
    print(c.push("data").outcome)
except c.ColabEscapeError as error:
    print(type(error).__name__, error.code, error)`
    const run = async (PATH: string, COLAB_ESCAPE_PROGRAM?: string): Promise<string> => {
      const { stdout, stderr } = await runPython(source, { cwd: folder, env: { PATH, COLAB_ESCAPE_PROGRAM } })
      return stdout + stderr
    }
    // beside the module in the package
    expect(await run(bin)).toBe('stored\n')
    symlinkSync(PROGRAM, join(bin, 'colab-escape'))
    expect(await run(bin)).toBe('unchanged\n')
    expect(await run(bin, join(folder, 'absent'))).toMatch(/^ProgramMissing no-program There is no program /)
    const noNode = await run(folder)
    expect(noNode).toMatch(/^ProgramMissing no-node Node isn't installed.*\n {2}-> Install Node 22 \(https:/)

    const old = join(folder, 'old')
    makeTree(old, {
      'old.cjs': `Object.defineProperty(process.versions, 'node', { value: '18.20.0' })`,
      node: { file: `#!/bin/sh\nexec '${process.execPath}' --require '${old}/old.cjs' "$@"\n`, mode: 0o755 },
    })
    expect(await run(old)).toMatch(/^ProgramMissing old-node .*this is Node 18\.20\.0.*\n {2}-> Install Node 22/)

    // a copy of the module in a folder knows nothing of its neighbours, and finds the program in PATH
    const copy = await runPython(`print(c._program())`, {
      cwd: folder,
      env: { PYTHONPATH: copyOfModule(folder), COLAB_ESCAPE_PROGRAM: undefined, PATH: bin },
    })
    expect(copy.stdout).toBe(`['${join(bin, 'node')}', '${PROGRAM}']\n`)
  }))

function copyOfModule(folder: string): string {
  makeTree(join(folder, 'copy'), { 'colab_escape.py': readFileSync(MODULE) })
  return join(folder, 'copy')
}

test('nothing that lies in the current folder is run or imported', () =>
  withFolder(async folder => {
    const trap = `open('${folder}/trapped', 'a').write(__name__)`
    const script = { file: `#!/bin/sh\necho run >> '${folder}/trapped'\n`, mode: 0o755 }
    makeTree(join(folder, 'python'), {
      ...Object.fromEntries(
        ['json', 'subprocess', 'signal', 'threading', 'dataclasses', 'shlex', 'typing'].map(name => [`${name}.py`, trap]),
      ),
      'colab_escape.py': readFileSync(MODULE),
      'colab-escape': script,
      node: script,
      data: 'x',
    })
    makeTree(join(folder, 'bin'), { 'colab-escape.cjs': `require('fs').writeFileSync('${folder}/trapped', 'js')` })
    const source = `
try:
    print(c.push("data").outcome)
except c.ProgramMissing as error:
    print(error.code)`
    const cwd = join(folder, 'python')
    // the module was written into the folder, and the folder is in PATH as some people have it
    const env = { PYTHONPATH: undefined, COLAB_ESCAPE_PROGRAM: undefined, COLAB_ESCAPE_STORE: join(folder, 'store') }
    const here = await runPython(source, { cwd, env: { ...env, PATH: `.::${process.env.PATH}` } })
    expect([here.stdout, here.stderr]).toEqual(['no-program\n', ''])
    const named = await runPython(source, { cwd, env: { ...env, PATH: `.::${process.env.PATH}`, COLAB_ESCAPE_PROGRAM: PROGRAM } })
    expect([named.stdout, named.stderr]).toEqual(['stored\n', ''])
    expect(existsSync(join(folder, 'trapped'))).toBe(false)
  }))

test('calls at the same time, from threads and with savers, are all saved', () =>
  withFolder(async folder => {
    for (let i = 0; i < 4; i++) writeFileSync(join(folder, `d${i}`), `content ${i}`)
    const printed = await answer(
      `
import concurrent.futures as f
with f.ThreadPoolExecutor(4) as pool:
    results = list(pool.map(c.push, ["d0", "d1", "d2", "d0"]))
savers = [c.Saver("d%d" % i) for i in range(4)]
for s in savers:
    s.save(message="saver")
for s in savers:
    s.close()
print(json.dumps([[r.name for r in results], [s.last.outcome for s in savers], sorted({v.name for v in c.log()})]))`,
      { cwd: folder },
    )
    expect(printed).toEqual([
      ['d0', 'd1', 'd2', 'd0'],
      ['unchanged', 'unchanged', 'unchanged', 'stored'],
      ['d0', 'd1', 'd2', 'd3'],
    ])
    const check = await runCli(['check', '--read-data', '--store', join(folder, 'store')], {
      env: { COLAB_ESCAPE_CACHE: join(folder, 'cache') },
    })
    expect(check.code, check.stderr).toBe(0)
  }))
