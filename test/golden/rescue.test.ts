import { existsSync, mkdirSync, readdirSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { goldenRepositories, goldenRepository } from './repositories.ts'
import { python, removeObjects, RESCUE, rescue, restoreAll, withCopy, type Run } from './rescue-runs.ts'
import { describeTree, type ExpectedEntry } from './trees.ts'

describe.each(goldenRepositories())('rescue.py on $name', golden => {
  const { versions, notOffered } = golden.expected

  test('restores every version, exactly', () => withCopy(golden, (folder, repo) => restoreAll(folder, repo, versions)))

  test('restores every version from the packs and snapshots alone', () =>
    withCopy(golden, async (folder, repo) => {
      for (const prefix of ['index-', 'config', 'label-', 'tomb-']) removeObjects(repo, prefix)
      await restoreAll(folder, repo, versions)
    }))

  test('lists what there is, and says what is incomplete', () =>
    withCopy(golden, async (_, repo) => {
      const run = await rescue(repo, 'list')
      expect(run.code, run.stderr).toBe(0)
      const lines = run.stdout.trimEnd().split('\n')
      expect(lines).toHaveLength(versions.length + notOffered.length)
      for (const { name, id, tags } of versions) {
        const line = lines.find(line => line.startsWith(`${name}@${id.slice(0, 12)}  `))
        for (const tag of tags) expect(line).toContain(`[${tag}]`)
        expect(line).not.toContain('INCOMPLETE')
      }
      for (const id of notOffered)
        expect(lines.find(line => line.includes(`@${id.slice(0, 12)}`))).toMatch(/INCOMPLETE: 1 files lack data$/)
    }))
})

test('a name means its newest version that is all there; ids and tags name others', () =>
  withCopy(goldenRepository('tombs'), async (folder, repo) => {
    const { versions, notOffered } = goldenRepository('tombs').expected
    const ofData = versions.filter(({ name }) => name === 'data')
    const restored = async (version: string): Promise<Run & { entries: ExpectedEntry[] }> => {
      const destination = join(folder, version)
      const run = await rescue(repo, 'restore', version, destination)
      return { ...run, entries: existsSync(destination) ? describeTree(destination) : [] }
    }
    const newest = await restored('data')
    expect(newest).toMatchObject({ code: 0, entries: ofData.at(-1)!.entries })
    expect(newest.stderr).toContain(`passing over data@${notOffered[0]!.slice(0, 12)}`)
    expect(await restored('data@paper')).toMatchObject({ code: 0, entries: ofData[0]!.entries })
    expect(await restored(ofData[1]!.id.slice(0, 8))).toMatchObject({ code: 0, entries: ofData[1]!.entries })
    const incomplete = await restored(notOffered[0]!)
    expect(incomplete).toMatchObject({ code: 1, entries: [] })
    expect(incomplete.stderr).toContain('NOT RESTORED: lost.bin')
    expect(await restored('nothing')).toMatchObject({ code: 1, entries: [] })
  }))

const WITHOUT = (modules: string[]): string => `
import runpy, sys
for module in ${JSON.stringify(modules)}: sys.modules[module] = None
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")`

const MODULES = ['compression', 'compression.zstd', 'zstandard', 'pyzstd']

test('without a zstd module the zstd command does, which is said once', () =>
  withCopy(goldenRepository('codecs'), async (folder, repo) => {
    const { versions } = goldenRepository('codecs').expected
    // frames of Node 24's zstd, of the portable codec, and one of several MiB
    for (const { name, id, entries } of [versions[0]!, versions[3]!, versions.at(-1)!]) {
      const run = await python(['-c', WITHOUT(MODULES), RESCUE, repo, 'restore', `${name}@${id}`, join(folder, id)])
      expect(run.code, run.stderr).toBe(0)
      expect(run.stderr.match(/the command zstd/g)).toHaveLength(1)
      expect(describeTree(join(folder, id))).toEqual(entries)
    }
  }))

test('without any zstd it says what to install', () =>
  withCopy(goldenRepository('codecs'), async (folder, repo) => {
    const { id } = goldenRepository('codecs').expected.versions[0]!
    const program = `import os; os.environ["PATH"] = ${JSON.stringify(folder)}\n${WITHOUT(MODULES)}`
    const run = await python(['-c', program, RESCUE, repo, 'verify', id])
    expect(run.code).toBe(1)
    expect(run.stderr).toContain('pip install zstandard')
  }))

test('decodes with the module zstandard as Debian has it (scripts/setup installs it)', () =>
  withCopy(goldenRepository('codecs'), async (folder, repo) => {
    const { versions } = goldenRepository('codecs').expected
    for (const { id, entries } of [versions[0]!, versions[3]!, versions.at(-1)!]) {
      const run = await python([RESCUE, repo, 'restore', id, join(folder, id)], {}, '/usr/bin/python3')
      expect(run.code, run.stderr).toBe(0)
      expect(run.stderr).toBe('')
      expect(describeTree(join(folder, id))).toEqual(entries)
    }
  }))

test('without cryptography an encrypted repository is read too, which takes its time', () =>
  withCopy(goldenRepository('encrypted'), async (folder, repo) => {
    for (const { name, id, entries } of goldenRepository('encrypted').expected.versions.slice(1)) {
      const run = await python(['-c', WITHOUT(['cryptography']), RESCUE, repo, 'restore', `${name}@${id}`, join(folder, id)])
      expect(run.code, run.stderr).toBe(0)
      expect(describeTree(join(folder, id))).toEqual(entries)
    }
  }))

test('an encrypted repository opens with its recovery code, and under the names that programs make that copy files', () =>
  withCopy(goldenRepository('encrypted'), async (folder, repo) => {
    const { versions, recoveryCode = '' } = goldenRepository('encrypted').expected
    for (const name of readdirSync(repo))
      renameSync(join(repo, name), join(repo, name.startsWith('key-') ? `Copy of ${name}` : name.replace(/(\.json)?$/, ' (1)$1')))
    const { id, name, entries } = versions.at(-1)!
    const restore = (password: string): Promise<Run> =>
      python([RESCUE, repo, 'restore', `${name}@${id}`, join(folder, id)], { COLAB_ESCAPE_PASSWORD: password })
    const refused = await restore('correct horse')
    expect([refused.code, refused.stderr]).toEqual([1, expect.stringMatching(/does not open .*repo\n$/)])
    const run = await restore(recoveryCode.toLowerCase())
    expect(run.code, run.stderr).toBe(0)
    expect(describeTree(join(folder, id))).toEqual(entries)
  }))

test('names and sizes of key objects that no program makes do not stop it', () =>
  withCopy(goldenRepository('encrypted'), async (folder, repo) => {
    const { versions } = goldenRepository('encrypted').expected
    const feature = readdirSync(repo).find(name => name.startsWith('feature-'))!
    const keyId = feature.slice(-16)
    writeFileSync(join(repo, `key-${keyId}-${'0'.repeat(64)}.json`), '[['.repeat(10_000))
    writeFileSync(join(repo, `${feature} (.*)*(`), '')
    const { id, name, entries } = versions.at(-1)!
    const run = await rescue(repo, 'restore', `${name}@${id}`, join(folder, id))
    expect(run.code, run.stderr).toBe(0)
    expect(run.stderr).toContain('it does not match the checksum in its name')
    expect(describeTree(join(folder, id))).toEqual(entries)
    writeFileSync(join(repo, 'feature-encrypted-(.*)*('), '')
    const newer = await rescue(repo, 'list')
    expect([newer.code, newer.stderr]).toEqual([1, expect.stringContaining('made by a newer colab-escape')])
  }))

/** Modules with the interfaces that rescue.py uses of the real ones; they tell on stderr that they were used. */
const STAND_IN = `
import io, subprocess, sys
def run(frame):
    print("used", __name__, file=sys.stderr)
    return subprocess.run(["zstd", "-dcq"], input=frame, stdout=subprocess.PIPE, check=True).stdout
class ZstdDecompressor:`
const STAND_INS: Record<string, string> = {
  'compression/zstd.py': `${STAND_IN}
    def decompress(self, data, max_length=-1): return run(data)[:max_length]`,
  'zstandard.py': `${STAND_IN}
    def stream_reader(self, source): return io.BytesIO(run(source))`,
  'pyzstd.py': `${STAND_IN}
    def decompress(self, data, max_length=-1): return run(data)[:max_length]`,
}

test.each([
  ['compression.zstd', 'compression/zstd.py', []],
  ['zstandard', 'zstandard.py', ['compression', 'compression.zstd']],
  ['pyzstd', 'pyzstd.py', ['compression', 'compression.zstd', 'zstandard']],
])('decodes with the module %s', (module, file, absent) =>
  withCopy(goldenRepository('codecs'), async (folder, repo) => {
    mkdirSync(join(folder, 'modules', 'compression'), { recursive: true })
    writeFileSync(join(folder, 'modules', 'compression', '__init__.py'), '')
    writeFileSync(join(folder, 'modules', file), STAND_INS[file]!)
    const { id } = goldenRepository('codecs').expected.versions[0]!
    const run = await python(['-c', WITHOUT(absent), RESCUE, repo, 'verify', id], { PYTHONPATH: join(folder, 'modules') })
    expect(run.code, run.stderr).toBe(0)
    expect(run.stderr).toContain(`used ${module}`)
    expect(run.stderr).not.toContain('the command zstd')
  }),
)
