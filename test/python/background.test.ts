import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { driveEnvironment } from '../drive/drive-cli.ts'
import { quietDriveOnly, withDrive } from '../helpers/drive.ts'
import { withFolder } from '../helpers/folders.ts'
import { pushFolder } from '../helpers/in-process.ts'
import { seededNoise } from '../helpers/seeded.ts'
import { makeTree } from '../helpers/trees.ts'
import { machine } from '../drive/machine.ts'
import { once, runPython } from './python.ts'

/** The processes of the program that Python has started, told when one is there. */
const CHILDREN = `
import glob, os, signal, sys, threading, time
def read(path):
    with open(path) as file:
        return file.read()
def children():
    return [int(pid) for each in glob.glob("/proc/self/task/*/children") for pid in read(each).split()]
def alive(pid):
    try:
        return read("/proc/%d/stat" % pid).rsplit(")")[1].split()[0] != "Z"
    except OSError:
        return False
def tell_child():
    while not children():
        time.sleep(0.02)
    print("child", children()[0])
`

/** A push of a store that never answers. */
const STALLED = { on: 'upload.multipart', nth: 1, times: Infinity, do: 'stall' } as const

const isAlive = (pid: number): boolean => {
  try {
    return !/\) Z /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'))
  } catch {
    return false
  }
}

quietDriveOnly('an interrupt ends a push as Ctrl-C does, and the program is gone; a killed program is an error', () =>
  withDrive({}, emulator =>
    withFolder(async folder => {
      makeTree(join(folder, 'data'), { noise: seededNoise(1, 300_000) })
      const env = driveEnvironment(emulator, folder, emulator.issueToken())
      emulator.faults.add(STALLED)
      const source = (after: string): string => `${CHILDREN}
def later():
    tell_child()
    time.sleep(0.2)
    while not ${JSON.stringify(after)} or not alive(children()[0]):
        time.sleep(0.05)
    os.kill(children()[0], signal.SIGKILL)
if ${JSON.stringify(after)}:
    threading.Thread(target=later, daemon=True).start()
else:
    threading.Thread(target=tell_child, daemon=True).start()
try:
    c.push("data")
except KeyboardInterrupt as error:
    print("interrupted:", error, children())
except c.ColabEscapeError as error:
    print(error.code, error.exit_code, error, children())`
      let interruptedAt = 0
      const interrupted = await runPython(source(''), {
        cwd: folder,
        env,
        onOutput: once('child', pid => {
          // it hears signals once its code is loaded
          setTimeout(() => {
            interruptedAt = performance.now()
            process.kill(pid, 'SIGINT')
          }, 1500)
        }),
      })
      expect(interrupted.stdout).toMatch(/^child \d+\ninterrupted: Interrupted\. .*again.* \[\]\n$/)
      expect(performance.now() - interruptedAt).toBeLessThan(5000)
      expect(isAlive(Number(/\d+/.exec(interrupted.stdout)![0]))).toBe(false)
      const killed = await runPython(source('kill'), { cwd: folder, env })
      expect(killed.stdout).toMatch(/\nkilled -9 colab-escape was ended by signal 9 .*\n {2}-> Run it again.* \[\]\n$/)
      emulator.faults.clear()
      const after = await runPython(`print(c.push("data").outcome)`, { cwd: folder, env })
      expect(after.stdout, after.stderr).toBe('stored\n')
    }),
  ),
)

const FAST = `every="100ms", settle="150ms"`

test('watch makes a last version at the end of its body, after an exception and after an interrupt', () =>
  withFolder(async folder => {
    makeTree(join(folder, 'runs'), { a: '1' })
    const { code, stdout, stderr } = await runPython(
      `${CHILDREN}
with c.watch("runs", tags="t", ${FAST}) as w:
    write("runs/b", "2")
print([sorted(v.files) for v in w.versions], c.latest("runs").tags, children())
try:
    with c.watch("runs", ${FAST}) as w:
        write("runs/c", "3")
        raise ValueError("of the body")
except ValueError as error:
    print(error, "c" in w.versions[-1].files, c.latest("runs").files)
try:
    with c.watch("runs", ${FAST}) as w:
        write("runs/d", "4")
        print("now")
        time.sleep(60)
except KeyboardInterrupt:
    print("interrupted", "d" in w.versions[-1].files, c.latest("runs").files, children())`,
      { cwd: folder, onOutput: once('now\n', pid => process.kill(pid, 'SIGINT')) },
    )
    expect([code, stderr]).toEqual([0, ''])
    expect(stdout.split('\n')).toEqual([
      expect.stringMatching(/^\[(\['a'\], \['b'\]|\['a', 'b'\])\] \['t'\] \[\]$/),
      'of the body True 3',
      'now',
      'interrupted True 4 []',
      '',
    ])
  }))

quietDriveOnly('a last version that the store does not take is waited for, until another interrupt', () =>
  withDrive({}, emulator =>
    withFolder(async folder => {
      makeTree(join(folder, 'runs'), { a: '1' })
      const source = `${CHILDREN}
def tell():
    time.sleep(2)
    print("interrupt 2")
try:
    with c.watch("runs", ${FAST}) as w:
        while not w.versions:
            time.sleep(0.02)
        threading.Thread(target=tell).start()
        print("interrupt 1")
        time.sleep(60)
except KeyboardInterrupt:
    print("ended", len(w.versions), children())`
      const second = once('interrupt 2\n', pid => process.kill(pid, 'SIGINT'))
      const first = once('interrupt 1\n', pid => {
        for (const on of ['files.list', 'upload.multipart'] as const) emulator.faults.add({ ...STALLED, on })
        makeTree(join(folder, 'runs'), { b: '2' })
        process.kill(pid, 'SIGINT')
      })
      const { stdout } = await runPython(source, {
        cwd: folder,
        env: driveEnvironment(emulator, folder, emulator.issueToken()),
        onOutput: (text, pid) => {
          first(text, pid)
          second(text, pid)
        },
      })
      expect(stdout).toBe('interrupt 1\ninterrupt 2\nended 1 []\n')
    }),
  ),
)

test('a watch that is killed is told at once and raised; one whose Python is killed makes its last version and ends', () =>
  withFolder(async folder => {
    makeTree(join(folder, 'runs'), { a: '1' })
    const killed = await runPython(
      `${CHILDREN}
try:
    with c.watch("runs", ${FAST}) as w:
        os.kill(children()[0], signal.SIGKILL)
        while not w._ended.is_set():
            time.sleep(0.02)
        print("told", file=sys.stderr)
except c.ColabEscapeError as error:
    print(error.code)`,
      { cwd: folder },
    )
    expect(killed.stdout).toBe('killed\n')
    expect(killed.stderr).toMatch(/^warning: runs is not watched any more\. colab-escape was ended by signal 9 [^]*\ntold\n$/)

    let child = 0
    const orphan = await runPython(
      `${CHILDREN}
with c.watch("runs", ${FAST}):
    print("child", children()[0])
    write("runs/late", "2")
    print("go")
    time.sleep(60)`,
      {
        cwd: folder,
        onOutput: (stdout, pid) => {
          child = Number(/child (\d+)/.exec(stdout)?.[1] ?? 0)
          if (stdout.includes('go')) process.kill(pid, 'SIGKILL')
        },
      },
    )
    expect(orphan.code).toBeNull()
    await expect.poll(() => isAlive(child), { timeout: 20_000 }).toBe(false)
    const { stdout } = await runPython(`print(c.latest("runs").files)`, { cwd: folder })
    expect(stdout).toBe('2\n')
  }))

quietDriveOnly('a saver never waits: calls during a save become one, and Python ends after it', () =>
  withDrive({}, emulator =>
    withFolder(async folder => {
      makeTree(join(folder, 'runs'), { a: seededNoise(1, 100_000) })
      await pushFolder(machine(emulator), join(folder, 'runs'), 'earlier')
      const env = driveEnvironment(emulator, folder, emulator.issueToken())
      emulator.faults.add({ on: 'files.list', nth: 1, times: Infinity, do: 'stall' })
      const { code, stdout, stderr } = await runPython(
        `${CHILDREN}
s = c.Saver("runs", tags="all")
for i in range(5):
    write("runs/e%d" % i, str(i))
    s.save(metrics={"loss": 5 - i}, tags="e%d" % i)
    while i == 0 and not children():
        time.sleep(0.02)
print("nothing saved yet:", s.last, s.wait(0.1))`,
        { cwd: folder, env, onOutput: once('nothing', () => emulator.faults.clear()) },
      )
      expect([code, stderr]).toEqual([0, ''])
      expect(stdout).toBe('nothing saved yet: None False\n')
      const log = await runPython(`print([(v.metrics["loss"], sorted(v.tags)) for v in c.log("runs")])`, { cwd: folder, env })
      // the first call saved what was there when it began to read; if that was all, the last one gave it its metrics
      const both = String.raw`\(1(\.0)?, \['all', 'e4'\]\), \(5(\.0)?, \['all', 'e0'\]\)`
      const one = String.raw`\(1(\.0)?, \['all', 'e0', 'e4'\]\)`
      expect(log.stdout).toMatch(new RegExp(`^\\[(${both}|${one})\\]\n$`))
    }),
  ),
)

test('what a saver could not save is told, kept and raised by close, and the next save tries again', () =>
  withFolder(async folder => {
    makeTree(join(folder, 'runs'), { a: '1' })
    const { code, stdout, stderr } = await runPython(
      `
import os
write("blocked", "")
s = c.Saver("runs", store="blocked/store")
s.save()
try:
    s.close()
except c.ColabEscapeError as error:
    print("raised", s.wait(), s.last, error is s.error)
os.remove("blocked")
s.save(metrics={"loss": 2})
print(s.wait(), s.last.outcome, s.error)
try:
    s.save(metrics={"loss": "no number"})
except ValueError:
    print("at once")
with c.Saver("runs", message="of all", store="blocked/store") as t:
    write("runs/b", "2")
    t.save(message="of one")
print(c.log("runs", store="blocked/store")[0].message)`,
      { cwd: folder },
    )
    expect([code, stdout]).toEqual([0, 'raised False None True\nTrue stored None\nat once\nof one\n'])
    expect(stderr).toMatch(/^warning: saving runs failed: .+\n {2}-> .+\n$/)
  }))
