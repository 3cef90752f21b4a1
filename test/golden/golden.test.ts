import { readdirSync, readFileSync, statSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import pLimit from 'p-limit'
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import { readCodedMatrices } from '../../src/compression/coded-matrices.ts'
import { zstdName, type ZstdName } from '../../src/compression/load-zstd.ts'
import { openForReading } from '../../src/repository/open/open.ts'
import { packName } from '../../src/repository/format/object-names.ts'
import { decodePackTail } from '../../src/repository/format/pack.ts'
import { FolderStorage } from '../../src/storage/folder.ts'
import { fsPath } from '../../src/util/paths.ts'
import { expectError, resultOf, withSandbox, type CliResult, type Sandbox } from '../helpers/cli.ts'
import { contextOf } from '../helpers/in-process.ts'
import { goldenRepositories, goldenRepository, hashesOfAll, type GoldenRepository } from './repositories.ts'
import type { ExpectedVersion } from './stage.ts'
import { describeTree } from './trees.ts'

let before: Record<string, string>
beforeAll(() => {
  before = hashesOfAll()
})
afterEach(() => vi.unstubAllEnvs())
afterAll(() => expect(hashesOfAll(), 'golden repositories are never changed').toEqual(before))

function withCopy<T>(golden: GoldenRepository, use: (sandbox: Sandbox) => Promise<T>): Promise<T> {
  return withSandbox(sandbox => {
    golden.copyTo(sandbox.store)
    // what a machine remembers of an encrypted repository must not outlive it
    vi.stubEnv('COLAB_ESCAPE_CONFIG', sandbox.in('config'))
    vi.stubEnv('COLAB_ESCAPE_PASSWORD', golden.expected.password)
    return use(sandbox)
  })
}

/** What this Node can decode zstd with. */
const codecs: ZstdName[] = zstdName() === 'native' ? ['native', 'portable'] : ['portable']

/** The newest version of each name: they are in the order of their making. */
function newest(versions: readonly ExpectedVersion[]): ExpectedVersion[] {
  return [...new Map(versions.map(version => [version.name, version])).values()]
}

test('there are golden repositories', () => {
  const all = ['basic', 'codecs', 'contexts', 'copies', 'encrypted', 'floats', 'matrices', 'numbers', 'tables', 'tensors', 'tombs']
  expect(goldenRepositories().map(({ name }) => name)).toEqual(expect.arrayContaining(all))
})

test('one of them has every filter at every width, and a chain of the greatest depth', () =>
  withCopy(goldenRepository('tensors'), async sandbox => {
    const { index } = await openForReading(contextOf(new FolderStorage(sandbox.store)))
    const shapes = index.blocks.filter(({ filter }) => filter > 0).map(({ filter, parameters }) => `${filter}: ${parameters[0]}`)
    expect([...new Set(shapes)].sort()).toEqual(['1: 2', '1: 4', '1: 8', '2: 1', '2: 2', '2: 4', '2: 8', '3: 1', '3: 2'])
    const depths = Array.from({ length: index.size }, (_, entry) => index.depth(entry))
    expect(Math.max(...depths)).toBe(8)
  }))

test('another one has tables, deltas in groups at every width, and pairs', () =>
  withCopy(goldenRepository('tables'), async sandbox => {
    const { index } = await openForReading(contextOf(new FolderStorage(sandbox.store)))
    const shapes = index.blocks.filter(({ filter }) => filter > 3).map(({ filter, parameters }) => `${filter}: ${parameters[0]}`)
    expect([...new Set(shapes)].sort()).toEqual(['4: 44', '4: 9', '5: 2', '5: 4', '5: 8'])
    expect(index.blocks.flatMap(({ parts }) => parts.map(({ codec }) => codec))).toContain(3)
  }))

test('a fourth one has copies, also in a long block', () =>
  withCopy(goldenRepository('copies'), async sandbox => {
    const { index } = await openForReading(contextOf(new FolderStorage(sandbox.store)))
    const codecs = index.blocks.flatMap(({ parts, plainLength }) => parts.map(({ codec }) => `${codec}${plainLength > 4 << 20 ? ' long' : ''}`))
    expect(codecs).toEqual(expect.arrayContaining(['5', '7 long']))
  }))

test('a third one has deltas as numbers, of both widths, in several chunks, around 0 and elsewhere', () =>
  withCopy(goldenRepository('numbers'), async sandbox => {
    const { index } = await openForReading(contextOf(new FolderStorage(sandbox.store)))
    const coded = index.blocks.filter(({ filter }) => filter === 12)
    expect([...new Set(coded.map(({ parameters }) => parameters[0]))].sort()).toEqual([2, 4])
    expect(new Set(coded.map(({ parameters }) => parameters.slice(4, 8).every(byte => byte === 0)))).toEqual(new Set([true, false]))
    expect(Math.max(...coded.map(({ chunkCount }) => chunkCount))).toBeGreaterThan(1)
    expect(new Set(coded.flatMap(({ parts }) => parts.map(({ codec }) => codec)))).toEqual(new Set([4]))
  }))

test('an encrypted one opens with its recovery code too, and with no other password', () =>
  withCopy(goldenRepository('encrypted'), async sandbox => {
    const { recoveryCode } = goldenRepository('encrypted').expected
    const list = (password: string | undefined): Promise<CliResult> => sandbox.run(['ls'], { env: { COLAB_ESCAPE_PASSWORD: password } })
    expect(await list(recoveryCode)).toMatchObject({ code: 0, stderr: '' })
    expectError(await list('correct horse'), 4, /^error: The password from COLAB_ESCAPE_PASSWORD does not open /)
    expectError(await list(undefined), 4, /^error: The repository in .+ is encrypted, and no password was given\.$/)
    const kinds = readdirSync(sandbox.store).map(name => /^[a-z]+/.exec(name)![0])
    expect([...new Set(kinds)].sort()).toEqual(['config', 'feature', 'index', 'key', 'label', 'pack', 'snapshot', 'tomb'])
    expect(Math.max(...readdirSync(sandbox.store).map(name => statSync(sandbox.in('store', name)).size))).toBeGreaterThan(2 * 65_552)
  }))

test('a fourth one has floats as numbers, with signs and without', () =>
  withCopy(goldenRepository('floats'), async sandbox => {
    const { index } = await openForReading(contextOf(new FolderStorage(sandbox.store)))
    const shapes = index.blocks.filter(({ filter }) => filter === 11).map(({ parameters }) => `${parameters[0]} ${parameters[1]}`)
    expect(new Set(shapes)).toEqual(new Set(['2 1', '4 0', '4 1']))
  }))

test('a fifth one has bytes in contexts, in columns and in steps, with one table and with several', () =>
  withCopy(goldenRepository('contexts'), async sandbox => {
    const { index } = await openForReading(contextOf(new FolderStorage(sandbox.store)))
    const { id } = index.packs[0]!
    const pack = readFileSync(fsPath(join(sandbox.store, packName(id))))
    const tail = decodePackTail(pack, pack.length, id)
    const found = (tail.kind === 'directory' ? tail.directory.blocks : []).flatMap(({ filter, offset, parts }) => {
      let at = offset
      return parts.flatMap(({ codec, storedLength, plainLength }) => {
        const tables = pack[at]!
        at += storedLength
        return codec === 6 ? [{ filter, several: tables > 1, tail: plainLength % 4 > 0 }] : []
      })
    })
    expect(new Set(found.map(({ filter }) => filter))).toEqual(new Set([4, 6]))
    expect(new Set(found.map(({ several }) => several))).toEqual(new Set([true, false]))
    expect(new Set(found.map(({ tail }) => tail))).toEqual(new Set([true, false]))
  }))

test('a sixth one has floats in matrices, and between them floats in none', () =>
  withCopy(goldenRepository('matrices'), async sandbox => {
    const { index } = await openForReading(contextOf(new FolderStorage(sandbox.store)))
    const coded = index.blocks.filter(({ filter }) => filter === 13)
    const matrices = coded.flatMap(({ parameters, plainLength }) => readCodedMatrices(parameters, plainLength).matrices)
    expect(matrices).toEqual([
      { elements: 130 * 96, columns: 96, start: 0 },
      { elements: 1500, columns: 1024, start: 0 },
      { elements: 60 * 70, columns: 70, start: 0 },
    ])
  }))

interface LoggedVersion {
  name: string
  version: string
  tags: string[]
  message: string | null
  lacksChunks: boolean
}

describe.each(goldenRepositories())('$name', golden => {
  const { versions, objects, notOffered } = golden.expected

  test('lists its versions and their tags, and marks what lacks data', () =>
    withCopy(golden, async sandbox => {
      expect(readdirSync(sandbox.store).sort()).toEqual(objects)
      const log = await sandbox.json<{ versions: LoggedVersion[] }>('log')
      // a copied repository is not new: a version of it that lacks data is damaged, whenever the store got it
      expect(log.versions.filter(({ lacksChunks }) => lacksChunks).map(({ version }) => version)).toEqual(notOffered)
      const whole = log.versions.filter(({ lacksChunks }) => !lacksChunks)
      const listed = whole.map(({ name, version, tags, message }) => ({ name, id: version, tags: tags.sort(), message }))
      expect(listed.reverse()).toEqual(versions.map(({ name, id, tags, message }) => ({ name, id, tags: [...tags].sort(), message })))
    }))

  test.each(codecs)('gives back every version, exactly, with the %s codec', codec =>
    withCopy(golden, async sandbox => {
      const limit = pLimit(2)
      const pull = async ({ name, id, entries }: ExpectedVersion): Promise<void> => {
        // the slash makes the destination a folder, also for a single file
        const run = await sandbox.run(['pull', '--special-modes', `${name}@${id}`, `${id}/`], { env: { COLAB_ESCAPE_ZSTD: codec } })
        expect(run.code, run.stderr).toBe(0)
        expect(describeTree(sandbox.in(id)), `${name}@${id}`).toEqual(entries)
      }
      await Promise.all(versions.map(version => limit(pull, version)))
    }),
  )

  test('is checked, every byte, with no finding but what was made to lack data', () =>
    withCopy(golden, async sandbox => {
      const run = await sandbox.run(['--json', 'check', '--read-data'])
      const packs = objects.filter(name => name.startsWith('pack-')).length
      expect(resultOf(run)).toMatchObject({
        damaged: notOffered.length > 0,
        packs,
        packsRead: packs,
        incomplete: 0,
        problems: [],
        affected: notOffered.map(id => ({ version: id.slice(0, 16) })),
      })
    }))

  test('holds chunks and manifests as they are cut and written today: pushing what was pulled changes nothing', () =>
    withCopy(golden, async sandbox => {
      for (const { name, id, type, entries } of newest(versions)) {
        await sandbox.ok('pull', '--special-modes', `${name}@${id}`, `${id}/`)
        // a link is followed to what is pushed; an argument could not say a name that is not UTF-8
        const source = `link to ${id}`
        symlinkSync(fsPath(type === 'directory' ? id : `${id}/${entries[0]!.path}`), sandbox.in(source))
        const pushed = await sandbox.json('push', source, '--name', name)
        // what lacks data is the newest: then the same content is a new version, of nothing new
        if (name === 'data' && notOffered.length > 0) expect(pushed).toMatchObject({ outcome: 'stored', newBytes: 0 })
        else expect(pushed).toMatchObject({ outcome: 'unchanged', version: id })
      }
      expect(readdirSync(sandbox.store).filter(name => name.startsWith('snapshot-'))).toHaveLength(
        versions.length + 2 * notOffered.length,
      )
    }))
})
