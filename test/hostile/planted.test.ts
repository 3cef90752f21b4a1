import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { encodeIndex } from '../../src/repository/format/index-object.ts'
import { compactTime, indexName, packName } from '../../src/repository/format/object-names.ts'
import { FolderStorage } from '../../src/storage/folder.ts'
import { ascii, ByteWriter } from '../../src/util/bytes.ts'
import { sha256, sha256Hex } from '../../src/util/hash.ts'
import { rescue } from '../golden/rescue-runs.ts'
import { expectError, withSandbox, type Sandbox } from '../helpers/cli.ts'
import { contextOf, pullVersion } from '../helpers/in-process.ts'
import { plantedObjects, writeObjects, type Planted } from '../helpers/plant.ts'
import { expectSameTree, pictureOf } from '../helpers/trees.ts'

const EVIL = Buffer.from('evil')
const SOME = Buffer.from('some content')
const id = (bytes: Uint8Array): string => sha256Hex(bytes)

type Row = Record<string, unknown>
const file = (path: string, more: Row = {}): Row => ({ path, type: 'file', mode: '644', mtime: '0', size: 4, chunks: [id(EVIL)], ...more })
const folder = (path: string): Row => ({ path, type: 'directory', mode: '755', mtime: '0' })
const link = (path: string, target: string): Row => ({ path, type: 'symlink', mode: '777', mtime: '0', target })
const rows = (...all: (Row | string)[]): string => all.map(row => `${typeof row === 'string' ? row : JSON.stringify(row)}\n`).join('')
const base64 = (text: string): string => Buffer.from(text, 'latin1').toString('base64')

/**
 * Pulls into `work/out`, restores with rescue.py into `rescued`, and expects that everything else stays as it is.
 * Returns the pull.
 */
async function pullHostile(sandbox: Sandbox, planted: Planted | Map<string, Uint8Array>, ...args: string[]) {
  writeObjects(sandbox.store, planted instanceof Map ? planted : plantedObjects({ chunks: [EVIL, SOME], ...planted }))
  mkdirSync(sandbox.in('work', 'out'), { recursive: true })
  mkdirSync(sandbox.in('work', 'outside'), { recursive: true })
  writeFileSync(sandbox.in('work', 'outside', 'precious'), 'precious')
  const run = await sandbox.run(['pull', 'data', 'out', ...args], { cwd: sandbox.in('work') })
  const rescued = await rescue(sandbox.store, 'restore', 'data', sandbox.in('rescued'))
  expect([0, 1], rescued.stderr).toContain(rescued.code)
  expect(rescued.stderr).not.toContain('Traceback')
  expect(readdirSync(sandbox.in('work')).sort()).toEqual(['out', 'outside'])
  expect(readdirSync(sandbox.in('work', 'outside'))).toEqual(['precious'])
  expect(readFileSync(sandbox.in('work', 'outside', 'precious'), 'utf8')).toBe('precious')
  expect(existsSync('/colab-escape-evil')).toBe(false)
  expect(run.stderr).not.toMatch(/^\s+at /m)
  expect(run.signal).toBe(null)
  return run
}

describe('A manifest that no push would make writes nothing outside the destination and follows no symlink', () => {
  test('the planting itself works', () =>
    withSandbox(async sandbox => {
      const run = await pullHostile(sandbox, { manifest: rows(folder('a'), file('a/b'), link('c', 'a/b')) })
      expect(run.code, run.stderr).toBe(0)
      expect(readFileSync(sandbox.in('work', 'out', 'a', 'b'), 'utf8')).toBe('evil')
    }))

  const cases: Record<string, { manifest: string; why?: RegExp }> = {
    'a path upwards': { manifest: rows(file('../outside/evil')) },
    'a path upwards further in': { manifest: rows(folder('a'), file('a/../../outside/evil')) },
    'a folder upwards': { manifest: rows(folder('..'), file('../evil')) },
    'an absolute path': { manifest: rows(file('/colab-escape-evil')) },
    'an empty path': { manifest: rows(file('')) },
    'a path with a dot': { manifest: rows(file('./x')) },
    'a path with an empty part': { manifest: rows(folder('a'), file('a//b')) },
    'a path with a slash at its end': { manifest: rows(file('a/')) },
    'a path with NUL': { manifest: rows(file('a\0b')) },
    'a path upwards in base64': { manifest: rows({ ...file('x'), path: undefined, path64: base64('../outside/evil') }) },
    'base64 that is none': { manifest: rows({ ...file('x'), path: undefined, path64: '!!!!' }) },
    'half a surrogate in a path': { manifest: rows(file('a\udcff')) },
    'a path below a symlink': { manifest: rows(link('a', '../outside'), file('a/evil')) },
    'a folder below a symlink': { manifest: rows(link('a', '../outside'), folder('a/b'), file('a/b/evil')) },
    'a path below a file': { manifest: rows(file('a'), file('a/b')) },
    'a path below nothing': { manifest: rows(file('a/b')) },
    'two rows of one path': { manifest: rows(file('a'), file('a')), why: /not in order/ },
    'a symlink and a file of one path': { manifest: rows(link('a', '../outside/evil'), file('a')), why: /not in order/ },
    'a symlink and a folder of one path': { manifest: rows(link('a', '../outside'), folder('a'), file('a/evil')), why: /not in order/ },
    'rows out of order': { manifest: rows(file('b'), file('a')), why: /not in order/ },
    'an empty target': { manifest: rows(link('a', '')) },
    'a target with NUL': { manifest: rows(link('a', 'b\0c')) },
    'no type': { manifest: rows({ ...file('a'), type: undefined }) },
    'an unknown type': { manifest: rows({ ...file('a'), type: 'device' }) },
    'a mode that is none': { manifest: rows(file('a', { mode: '9' })) },
    'a mode with more bits than there are': { manifest: rows(file('a', { mode: '100644' })) },
    'a mode that is a number': { manifest: rows(file('a', { mode: 420 })) },
    'a time that is none': { manifest: rows(file('a', { mtime: '1e9' })) },
    'a time of very many digits': { manifest: rows(file('a', { mtime: '9'.repeat(400) })) },
    'a negative size': { manifest: rows(file('a', { size: -4 })) },
    'a broken size': { manifest: rows(file('a', { size: 4.5 })) },
    'a size beyond all numbers': { manifest: rows('{"path":"a","type":"file","mode":"644","mtime":"0","size":1e999,"chunks":[]}') },
    'a chunk id that is none': { manifest: rows(file('a', { chunks: ['xyz'] })) },
    'chunks that are no list': { manifest: rows(file('a', { chunks: id(EVIL) })) },
    'more chunks in a row than allowed': { manifest: rows(file('a', { size: 4100, chunks: Array(1025).fill(id(EVIL)) })), why: /too many/ },
    'a part row without its file': { manifest: rows({ path: 'a', part: 1, chunks: [id(EVIL)] }), why: /out of place/ },
    'a part row of another file': { manifest: rows(file('a'), { path: 'b', part: 1, chunks: [id(EVIL)] }), why: /out of place/ },
    'a part row with a wrong number': { manifest: rows(file('a'), { path: 'a', part: 7, chunks: [id(EVIL)] }), why: /out of place/ },
    'a part row of a folder': { manifest: rows(folder('a'), { path: 'a', part: 1, chunks: [id(EVIL)] }), why: /out of place/ },
    'a part row of a symlink': { manifest: rows(link('a', 'b'), { path: 'a', part: 1, chunks: [id(EVIL)] }), why: /out of place/ },
    'a row that is no JSON': { manifest: 'not JSON\n', why: /not JSON/ },
    'a row that is a list': { manifest: '[]\n' },
    'a row of very deep nesting': { manifest: `${'['.repeat(200_000)}\n` },
    'a row without an end': { manifest: rows(file('a')).slice(0, -1), why: /incomplete/ },
    'a row of many megabytes': { manifest: rows(file('x'.repeat(6 * 1024 * 1024))), why: /too long/ },
  }
  test.each(Object.keys(cases))('%s is refused before anything is written', name =>
    withSandbox(async sandbox => {
      const { manifest, why } = cases[name]!
      writeObjects(sandbox.store, plantedObjects({ manifest, chunks: [EVIL, SOME] }))
      mkdirSync(sandbox.in('outside'))
      const context = contextOf(new FolderStorage(sandbox.store))
      const message = expect.stringMatching(why ?? /The manifest of data .* is damaged/) as string
      await expect(pullVersion(context, 'data', sandbox.in('out'), true)).rejects.toMatchObject({ code: 'corrupt', message })
      expect(readdirSync(sandbox.path).sort()).toEqual(['outside', 'store'])
      expect(readdirSync(sandbox.in('outside'))).toEqual([])
      expect(existsSync('/colab-escape-evil')).toBe(false)
    }),
  )

  test.each(['a path upwards', 'an absolute path', 'a folder below a symlink', 'a row of very deep nesting', 'a row of many megabytes'])(
    '%s is refused by the program, in two lines',
    name =>
      withSandbox(async sandbox => {
        const { manifest, why } = cases[name]!
        const run = await pullHostile(sandbox, { manifest }, '--force')
        expect(expectError(run, 7, why ?? /The manifest of data .* is damaged/).message.length).toBeLessThan(1000)
        expect(readdirSync(sandbox.in('work', 'out'))).toEqual([])
      }),
  )

  test('a path part longer than the file system takes is left out, with a clear reason', () =>
    withSandbox(async sandbox => {
      const run = await pullHostile(sandbox, { manifest: rows(file('x'.repeat(300))) })
      expect(run.code, run.stderr).toBe(3)
      expect(run.stderr).toMatch(/was not restored: that disk can't hold its name: name too long/)
      expect(readdirSync(sandbox.in('work', 'out'))).toEqual([])
    }))

  test.each<[string, Row]>([
    ['a size larger than its chunks', file('bad', { size: 5 })],
    ['a size smaller than its chunks', file('bad', { size: 3 })],
    ['an enormous size', file('bad', { size: Number.MAX_SAFE_INTEGER })],
    ['a size without chunks', file('bad', { size: 1, chunks: [] })],
    ['chunks without a size', file('bad', { size: 0 })],
    ['a chunk that is nowhere', file('bad', { chunks: ['0'.repeat(64)] })],
  ])('%s: that file is reported, the others are restored', (_, bad) =>
    withSandbox(async sandbox => {
      const run = await pullHostile(sandbox, { manifest: rows(bad, file('good', { size: SOME.length, chunks: [id(SOME)] })) })
      expect(run.code).toBe(7)
      expect(run.stderr).toMatch(/^warning: bad was not restored: /m)
      expect(readdirSync(sandbox.in('work', 'out'))).toEqual(['good'])
      const check = await sandbox.run(['check'])
      expect(check.code).toBe(7)
      expect(check.stdout).toMatch(/^affected: data@[0-9a-f]{8}:bad /m)
    }),
  )

  test('symlinks are made, never followed', () =>
    withSandbox(async sandbox => {
      const manifest = rows(link('a', '../outside'), link('b', '/colab-escape-evil'), link('c', '../outside/precious'))
      const run = await pullHostile(sandbox, { manifest })
      expect(run.code, run.stderr).toBe(0)
      const again = await pullHostile(sandbox, { manifest }, '--delete', '--force')
      expect(again.code).toBe(0)
    }))

  test('a symlink at the destination is replaced, never followed, also with --force', () =>
    withSandbox(async sandbox => {
      mkdirSync(sandbox.in('work', 'out'), { recursive: true })
      symlinkSync('../outside', sandbox.in('work', 'out', 'a'))
      const run = await pullHostile(sandbox, { manifest: rows(folder('a'), folder('a/b'), file('a/b/evil'), file('a/evil')) }, '--force')
      expect(run.code, run.stderr).toBe(0)
      expect(readFileSync(sandbox.in('work', 'out', 'a', 'b', 'evil'), 'utf8')).toBe('evil')
    }))

  test.each<[string, Row[]]>([
    ['several rows', [file('a'), file('b')]],
    ['a folder', [folder('a')]],
    ['a folder with a file', [folder('a'), file('a/b')]],
    ['a symlink', [link('a', '../outside/precious')]],
    ['nothing', []],
  ])('a single file that is %s is refused', (_, content) =>
    withSandbox(async sandbox => {
      const planted = plantedObjects({ chunks: [EVIL], manifest: rows(...content), snapshot: { source: { path: '/a', type: 'file' } } })
      expectError(await pullHostile(sandbox, planted), 7, /is damaged/)
      expect(readdirSync(sandbox.in('work', 'out'))).toEqual([])
    }),
  )
})

describe('A snapshot that no push would make is refused, and other versions are still offered', () => {
  test.each<[string, Planted['snapshot']]>([
    ['a manifest of another length', { manifest: { bytes: 5, chunks: [] } }],
    ['a manifest of chunks that are nowhere', { manifest: { bytes: 4, chunks: ['f'.repeat(64)] } }],
    ['a manifest that is somebody else’s file', { manifest: { bytes: 12, chunks: [id(SOME)] } }],
  ])('%s is refused', (_, snapshot) =>
    withSandbox(async sandbox => {
      expectError(await pullHostile(sandbox, { manifest: rows(file('a')), snapshot: snapshot! }), 7, /The manifest of data .* is damaged/)
      expect((await sandbox.run(['check'])).code).toBe(7)
    }),
  )

  test('enormous counts mean nothing', () =>
    withSandbox(async sandbox => {
      const most = Number.MAX_SAFE_INTEGER
      const snapshot = {
        bytes: most,
        counts: { files: most, directories: most, symlinks: most },
        added: { bytes: most, storedBytes: most },
      }
      const run = await pullHostile(sandbox, { manifest: rows(file('a')), snapshot })
      expect(run.code, run.stderr).toBe(0)
      for (const args of [['log'], ['ls', 'data'], ['check']]) await sandbox.ok(...args)
    }))

  test.each(['%2e%2e', '..', 'a%2Fb', '%00', 'a'.repeat(65), '%ED%A0%80'])(
    'an object that calls itself a version of %j is no version',
    name =>
      withSandbox(async sandbox => {
        const objects = plantedObjects({ manifest: rows(file('a')), chunks: [EVIL] })
        const [objectName, bytes] = [...objects].find(([key]) => key.startsWith('snapshot-'))!
        objects.set(objectName.replace('-data.json', `-${name}.json`), bytes)
        writeObjects(sandbox.store, objects)
        const { versions } = await sandbox.json<{ versions: unknown[] }>('log')
        expect(versions).toHaveLength(1)
        expect((await sandbox.run(['check'])).code).toBe(7)
      }),
  )

  test.each<[string, (text: string) => string]>([
    ['no name', text => text.replace('"name"', '"nam"')],
    ['another name than its object', text => text.replace('"name": "data"', '"name": "dota"')],
    ['a time that is none', text => text.replace(/"listed": \d+/, '"listed": 1e300')],
    ['nothing', () => ''],
    ['a list', () => '[]'],
    ['a lot of nothing', () => ' '.repeat(33 * 1024 * 1024)],
  ])('%s in it is refused, other versions are offered', (_, change) =>
    withSandbox(async sandbox => {
      const objects = plantedObjects({ manifest: rows(file('a')), chunks: [EVIL] })
      const [objectName, bytes] = [...objects].find(([key]) => key.startsWith('snapshot-'))!
      const changed = new TextEncoder().encode(change(new TextDecoder().decode(bytes)))
      const later = objectName.replace(
        /^snapshot-\d{8}T\d{9}Z-[0-9a-f]{16}/,
        `snapshot-${compactTime(Date.now() + 3_600_000)}-${id(changed).slice(0, 16)}`,
      )
      objects.set(later, changed)
      expectError(await pullHostile(sandbox, objects), 7, /Snapshot [0-9a-f]{8} of data is damaged/)
      const old = await sandbox.run(['pull', `data@${/Z-([0-9a-f]{16})-/.exec(objectName)![1]}`, 'out'])
      expect(old.code, old.stderr).toBe(0)
      expect((await sandbox.run(['check'])).code).toBe(7)
    }),
  )

  test('a version of a newer format is told to be one', () =>
    withSandbox(async sandbox => {
      const objects = plantedObjects({ manifest: rows(file('a')), chunks: [EVIL] })
      const [objectName, bytes] = [...objects].find(([key]) => key.startsWith('snapshot-'))!
      const newer = Buffer.from(Buffer.from(bytes).toString().replace('"format": 1', '"format": 2'))
      objects.delete(objectName)
      objects.set(objectName.replace(/-[0-9a-f]{16}-/, `-${id(newer).slice(0, 16)}-`), newer)
      expectError(await pullHostile(sandbox, objects), 1, /Snapshot .* was made by a newer colab-escape/)
    }))
})

function directory(write: (out: ByteWriter) => void): Uint8Array {
  const out = new ByteWriter()
  write(out)
  return out.finish()
}

describe('Packs and indexes that no push would make are refused quickly, and nothing wrong is written', () => {
  const honest = (out: ByteWriter, chunks: number, plain: number, stored: number, codec = 0): void => {
    out.varint(1)
    out.byte(0)
    out.varint(0)
    out.varint(1)
    out.byte(codec)
    out.varint(stored)
    out.varint(plain)
    out.varint(chunks)
    out.byte(0)
  }
  const directories: Record<string, Uint8Array> = {
    'very many blocks': directory(out => out.varint(Number.MAX_SAFE_INTEGER)),
    'very many chunks': directory(out => honest(out, 60_000, 4_000_000, 4)),
    'chunks beyond all limits': directory(out => honest(out, 2 ** 40, 4_000_000, 4)),
    'a chunk of a terabyte': directory(out => {
      honest(out, 1, 4, 4)
      out.varint(2 ** 40)
      out.put(sha256(EVIL))
    }),
    'a block of a terabyte': directory(out => honest(out, 1, 2 ** 40, 4)),
    'chunks longer than their block': directory(out => {
      honest(out, 1, 4, 4)
      out.varint(5)
      out.put(sha256(EVIL))
    }),
    'bytes left over': directory(out => {
      honest(out, 1, 4, 4)
      out.varint(4)
      out.put(sha256(EVIL))
      out.byte(0)
    }),
    'nothing at all': new Uint8Array(0),
  }

  function objectsWith(directoryBytes: Uint8Array, content: Uint8Array): Map<string, Uint8Array> {
    const trailer = new ByteWriter()
    trailer.put(new Uint8Array(16))
    const length = new Uint8Array(4)
    new DataView(length.buffer).setUint32(0, directoryBytes.length, true)
    trailer.put(length)
    trailer.put(sha256(directoryBytes))
    trailer.put(ascii('CEP1'))
    const pack = Buffer.concat([content, directoryBytes, trailer.finish()])
    const objects = plantedObjects({ manifest: rows(file('bad')), chunks: [] })
    const index = encodeIndexUnchecked(id(pack), pack.length, directoryBytes)
    return objects.set(packName(id(pack)), pack).set(indexName(id(index)), index)
  }

  /** Like `encodeIndex`, which would refuse some of these. */
  function encodeIndexUnchecked(pack: string, size: number, directoryBytes: Uint8Array): Uint8Array {
    const out = new ByteWriter()
    out.put(ascii('CEI1'))
    out.varint(1)
    out.put(Buffer.from(pack, 'hex'))
    out.varint(size)
    out.varint(directoryBytes.length)
    out.put(directoryBytes)
    out.varint(0)
    out.put(new Uint8Array(16))
    return out.finish()
  }

  test.each(Object.keys(directories))('%s in a directory are refused, quickly', name =>
    withSandbox(async sandbox => {
      const started = performance.now()
      const run = await pullHostile(sandbox, objectsWith(directories[name]!, EVIL))
      expect(run.code, run.stderr).toBe(7)
      expect(run.stderr).toMatch(/is damaged/)
      expect(readdirSync(sandbox.in('work', 'out'))).toEqual([])
      expect((await sandbox.run(['check'])).code).toBe(7)
      expect(performance.now() - started).toBeLessThan(10_000)
    }),
  )

  test.each<[string, number, Uint8Array, number]>([
    ['content that is not what its id says', 0, Buffer.from('good'), 7],
    ['a zstd frame that is none', 1, EVIL, 7],
    ['a zstd frame of a terabyte', 1, Buffer.from('28b52ffde00000000000010000010000', 'hex'), 7],
    ['a deflate stream that is none', 2, EVIL, 7],
    ['a codec of the future', 9, EVIL, 7],
  ])('%s: the file is reported', (_, codec, content, code) =>
    withSandbox(async sandbox => {
      const directoryBytes = directory(out => {
        honest(out, 1, 4, content.length, codec)
        out.varint(4)
        out.put(sha256(EVIL))
      })
      const run = await pullHostile(sandbox, objectsWith(directoryBytes, content))
      expect(run.code, run.stderr).toBe(code)
      expect(run.stderr).toMatch(/^warning: bad was not restored: /m)
      expect(readdirSync(sandbox.in('work', 'out'))).toEqual([])
    }),
  )

  test('indexes that supersede each other, or themselves, hide nothing that packs tell', () =>
    withSandbox(async sandbox => {
      const objects = plantedObjects({ manifest: rows(file('a')), chunks: [EVIL] })
      const [honestIndex] = [...objects.keys()].filter(name => name.startsWith('index-'))
      const empty = encodeIndex({ packs: [], supersedes: [honestIndex!.slice('index-'.length)] }, new Uint8Array(16))
      objects.set(indexName(empty.id), empty.bytes)
      const run = await pullHostile(sandbox, objects)
      expect(run.code, run.stderr).toBe(0)
      expect(readFileSync(sandbox.in('work', 'out', 'a'), 'utf8')).toBe('evil')
      const before = pictureOf(sandbox.in('work', 'out'))
      await sandbox.ok('push', 'work/out', '--name', 'data')
      await sandbox.ok('pull', 'data', 'again')
      expectSameTree(sandbox.in('again'), before)
    }))
})
