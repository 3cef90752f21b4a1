import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { extract } from '../../src/archive/extract.ts'
import { archiveOf, listening, poolOf, python, shell } from '../archive/archives.ts'
import type { DriveEmulator } from '../drive-emulator/emulator.ts'
import { expectError, resultOf } from '../helpers/cli.ts'
import { driveStorage, withDrive } from '../helpers/drive.ts'
import { withFolder } from '../helpers/folders.ts'
import { seededNoise, seededText } from '../helpers/seeded.ts'
import { expectSameTree, makeTree } from '../helpers/trees.ts'
import { DriveSandbox } from './drive-cli.ts'
import { objectsOf } from './scene.ts'

const TREE = {
  'table.csv': seededText(1, 1_000_000),
  'images/noise.bin': seededNoise(2, 3_000_000),
  link: { link: 'images/noise.bin' },
}

/** Finer times don't go into archives. */
const wholeSeconds = (folder: string): Buffer => shell(folder, 'find . -exec touch -h -d @1600000000 {} +')

function withSandbox(use: (sandbox: DriveSandbox, emulator: DriveEmulator) => Promise<void>): Promise<void> {
  return withDrive({}, emulator =>
    withFolder(async folder => {
      makeTree(join(folder, 'data'), TREE)
      wholeSeconds(join(folder, 'data'))
      await use(new DriveSandbox(emulator, folder), emulator)
    }),
  )
}

test('compress to Drive and extract from there, through broken connections, without a store', () =>
  withSandbox(async (sandbox, emulator) => {
    emulator.faults.add({ on: 'upload.piece', nth: 1, do: 'reset-before' })
    emulator.faults.add({ on: 'upload.piece', nth: 2, do: { acceptOnlyBytes: 1_000_000 } })
    emulator.faults.add({ on: 'media.get', nth: 2, do: 'cut-body' })
    for (const format of ['tar.zst', 'tar.gz', 'zip']) {
      const place = `drive:Shared/deep/data.${format}`
      const made = await sandbox.ok('compress', 'data', '-o', place)
      expect(made.stdout).toMatch(
        /^Compressed data into drive:Shared\/deep\/data\.\S+\n {2}2 files, 4\.00 MB before, \S+ MB after: \d+% saved\n/,
      )
      expect(made.stdout).toContain('Safe to disconnect: Drive has the whole file and confirmed its checksum.')
      const run = await sandbox.ok('extract', place, format)
      expect(run.stdout).toMatch(/^Extracted drive:Shared\/deep\/data\.\S+ into .*\n {2}3 files written \(4\.00 MB\)/)
      expectSameTree(sandbox.in(format, 'data'), sandbox.in('data'))
    }
    const stored = objectsOf(emulator)
    expect(stored.map(({ name }) => name).sort()).toEqual(['data.tar.gz', 'data.tar.zst', 'data.zip'])
    // ordinary files: others open them
    for (const { name, content } of stored) writeFileSync(sandbox.in(name), content!.bytes)
    shell(sandbox.path, 'zstd -tq data.tar.zst && gzip -t data.tar.gz && unzip -tq data.zip')
    // no copy was kept, here or there
    expect(readdirSync(sandbox.path).sort()).toEqual(expect.arrayContaining(['data', 'tar.zst', 'tar.gz', 'zip']))
    for (const format of ['tar.zst', 'tar.gz', 'zip']) expect(readdirSync(sandbox.in(format))).toEqual(['data'])
  }))

test('an archive on Drive is only replaced by force, by a whole one', () =>
  withSandbox(async (sandbox, emulator) => {
    await sandbox.ok('compress', 'data/table.csv', '-o', 'drive:a.zip')
    const [first] = objectsOf(emulator)
    const again = await sandbox.run(['compress', 'data', '-o', 'drive:a.zip'])
    expect(expectError(again, 8, /drive:a\.zip exists already on Drive/).hint).toContain('--force')
    emulator.faults.add({ on: 'upload.start', nth: 1, do: { status: 403, reason: 'storageQuotaExceeded' } })
    expectError(await sandbox.run(['compress', 'data', '-o', 'drive:a.zip', '--force']), 6, /Drive is full/)
    expect(objectsOf(emulator)).toEqual([first])
    expect(resultOf(await sandbox.run(['--json', 'compress', 'data', '-o', 'drive:a.zip', '--force']))).toMatchObject({
      output: 'drive:a.zip',
      format: 'zip',
      files: 2,
    })
    expect(objectsOf(emulator)).toHaveLength(1)
    expect(objectsOf(emulator)[0]!.id).not.toBe(first!.id)
  }))

test('places on Drive that are no archive', () =>
  withSandbox(async sandbox => {
    expectError(await sandbox.run(['compress', 'data', '-o', 'drive:']), 2, /drive: is a folder on Drive/)
    expectError(await sandbox.run(['compress', 'data', '-o', 'drive:Shared/']), 2, /drive:Shared\/ is a folder on Drive/)
    expectError(await sandbox.run(['compress', 'data', '-o', 'drive:Shared/data']), 2, /does not show which archive format/)
    expectError(await sandbox.run(['compress', 'data', '-o', 'drive:a//b.zip']), 2, /isn't a path on Drive/)
    expectError(await sandbox.run(['extract', 'drive:missing.zip']), 5, /no file drive:missing\.zip on Drive/)
    const out = { env: { COLAB_ESCAPE_TOKEN: undefined, COLAB_ESCAPE_CREDENTIALS: undefined } }
    expectError(await sandbox.run(['extract', 'drive:data.zip'], out), 4, /not logged in to Google Drive/)
  }))

test('a zip on Drive is read where it lies: nothing of it is kept beside what is extracted', () =>
  withDrive({}, emulator =>
    withFolder(async folder => {
      makeTree(join(folder, 'data'), { ...TREE, many: { folder: true } })
      makeTree(join(folder, 'data/many'), Object.fromEntries(Array.from({ length: 500 }, (_, i) => [`${i}.txt`, `number ${i}`])))
      wholeSeconds(join(folder, 'data'))
      const { bytes } = await archiveOf(join(folder, 'data'), 'zip')
      const file = driveStorage(emulator, { path: ['Shared'] }).ordinaryFile('data.zip')
      const writer = await file.create([])
      await writer.write(bytes)
      await writer.finish()
      const found = await file.newest()
      const out = join(folder, 'out')
      makeTree(out, {})
      const seen = new Set<string>()
      const { reporter, warnings } = listening()
      const progress = (): void => readdirSync(out).forEach(name => seen.add(name))
      emulator.faults.add({ on: 'media.get', nth: 3, do: 'reset-before' })
      const result = await extract(
        { pool: poolOf(), zstd: 'portable', reporter: { ...reporter, progress }, signal: new AbortController().signal },
        {
          source: {
            name: 'data.zip',
            size: found.size,
            bytes: file.read(found),
            zip: { size: found.size, range: (start, end) => file.range(found, start, end) },
          },
          destination: out,
          force: false,
        },
      )
      expect(warnings).toEqual([])
      expect(result).toMatchObject({ format: 'zip', files: 502, symlinks: 1 })
      expect([...seen]).toEqual(['data'])
      expectSameTree(join(out, 'data'), join(folder, 'data'))
      // its directory and 500 small files don't take a request each
      expect(emulator.counts['media.get']).toBeLessThan(20)
    }),
  ))

test('what others put on Drive is extracted too', () =>
  withSandbox(async (sandbox, emulator) => {
    shell(sandbox.path, 'tar -c data | zstd -q -1 --long=24 > theirs.tar.zst')
    python(sandbox.path, `import shutil; shutil.make_archive('theirs', 'zip', '.', 'data')`)
    for (const name of ['theirs.tar.zst', 'theirs.zip']) {
      const writer = await driveStorage(emulator, { path: ['Theirs'] })
        .ordinaryFile(name)
        .create([])
      await writer.write(readFileSync(sandbox.in(name)))
      await writer.finish()
      await sandbox.ok('extract', `drive:Theirs/${name}`, `out-${name}`)
      expect(shell(sandbox.path, `diff -r data out-${name}/data`).toString()).toBe('')
    }
  }))
