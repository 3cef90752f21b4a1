import { encodeBlock } from '../../src/compression/block.ts'
import { loadZstd } from '../../src/compression/load-zstd.ts'
import { encodeTomb } from '../../src/repository/format/label-and-tomb.ts'
import { CONFIG_NAME, packName, tombName } from '../../src/repository/format/object-names.ts'
import { encodeSnapshot, type Snapshot } from '../../src/repository/format/snapshot.ts'
import { sha256, sha256Hex, toHex } from '../../src/util/hash.ts'
import { chunkBytes, encodeEntry, encodePack } from '../helpers/encode.ts'
import { seededBytes } from '../helpers/seeded.ts'
import { contextSteps } from './context-recipe.ts'
import { copySteps } from './copies-recipe.ts'
import { encryptedSteps } from './encrypted-recipe.ts'
import { floatSteps, matrixSteps, numberSteps } from './number-recipe.ts'
import type { ExpectedVersion, Stage, StagedPush, Step } from './stage.ts'
import { tableSteps } from './table-recipe.ts'
import { tensorSteps } from './tensor-recipe.ts'
import type { TreeNode } from './trees.ts'

const MINUTE = 60_000
/** µs since 1970. */
const BEFORE_1970 = -1_500_000n
const FAR_FUTURE = 4_102_444_800_000_001n

/** Lines that differ and compress well. */
function lines(count: number, seed: number): string {
  return Array.from({ length: count }, (_, i) => `${i},${(i * 7919 + seed * 104_729) % 9973},${i % 3 === 0 ? 'train' : 'test'}\n`).join('')
}

/** 1,030 times the same chunk: so many chunks that its manifest entry takes two rows. */
function repeatedChunk(): Uint8Array {
  const firsts = Array.from({ length: 300 }, (_, i) => chunkBytes(seededBytes(40_000, 500 + i))[0]!)
  const shortest = firsts.reduce((a, b) => (a.length <= b.length ? a : b))
  return Buffer.concat(Array.from({ length: 1030 }, () => shortest))
}

function basicTree(): Record<string, TreeNode> {
  const samples = seededBytes(60_000, 1)
  return {
    'readme.txt': { file: 'What this is: a golden repository.\n', mode: 0o600 },
    'empty.bin': { file: '' },
    'empty folder': { folder: true, mode: 0o555, mtime: BEFORE_1970 },
    'run.sh': { file: '#!/bin/sh\necho golden\n', mode: 0o755 },
    'read-only': { file: 'as it is\n', mode: 0o400, mtime: BEFORE_1970 },
    'for everybody': { file: 'anybody may\n', mode: 0o666, mtime: FAR_FUTURE },
    'zeros.bin': { file: new Uint8Array(600_000) },
    'a/b/c/deep.csv': { file: lines(2000, 1), mtime: 1_700_000_000_999_999n },
    'a/samples.bin': { file: samples },
    'a/copy of samples.bin': { file: samples, mtime: 1n },
    'a-before-slash': { file: '-' },
    'a.after-dash': { file: '.' },
    'a/shared': { folder: true, mode: 0o1777 },
    'links/to file': { link: '../readme.txt' },
    'links/to folder': { link: '../a/b', mtime: BEFORE_1970 },
    'links/dangling': { link: 'no/such/place' },
    'links/absolute': { link: '/etc/hostname' },
    'links/not UTF-8': { link: '../caf\udce9/\udcff.txt' },
    'caf\udce9/\udcff.txt': { file: 'a name in Latin-1, and one in nothing\n' },
    'caf\udce9/\udced\udca0\udc80 surrogate': { file: 'bytes of a lone surrogate\n' },
    'café/naïve 日本 😀.txt': { file: 'UTF-8\n' },
    'cafe\u0301.txt': { file: 'decomposed\n' },
    '\uffef last of the BMP': { file: 'sorts before' },
    '\u{10000} first beyond': { file: 'sorts after' },
    'odd "name"\n\\back\tslash \u0001 \u007f ': { file: 'odd\n' },
    '-rf': { file: 'not an option\n' },
  }
}

function basicSteps(): Step[] {
  const first = basicTree()
  const replaced = ['run.sh', 'read-only', 'a/copy of samples.bin']
  const kept = Object.fromEntries(Object.entries(first).filter(([path]) => !replaced.includes(path)))
  const second: Record<string, TreeNode> = {
    ...kept,
    'readme.txt': { file: 'What this is: a golden repository.\n', mode: 0o644 },
    'run.sh/now a folder': { file: 'with a file\n' },
    'read-only': { link: 'readme.txt' },
    'a/b/c/deep.csv': { file: lines(2000, 1).replace('1000,', '1000,changed '), mtime: 1_700_000_001_000_000n },
    'links/dangling': { link: 'readme.txt' },
    'links/to file': { file: 'a file now\n' },
    'zeros.bin': { file: new Uint8Array(600_000), mtime: 1_700_000_001_000_001n },
  }
  return [
    push('data', { tree: first, tags: ['first', 'a tag: größer'], message: 'first version' }),
    push('data', { tree: second, message: 'second version:\n"quoted", äöü 😀' }),
    push('data', { tree: { ...second, 'new.bin': { file: seededBytes(20_000, 2) } }, tags: ['last'] }),
    push('solo.csv', { tree: { 'solo.csv': { file: lines(500, 3), mode: 0o640, mtime: BEFORE_1970 } }, only: 'solo.csv' }),
    push('renamed file', { tree: { 'caf\udce9.txt': { file: '' } }, only: 'caf\udce9.txt' }),
    push('empty', { tree: {}, message: '' }),
    push('größe 100%', { tree: { 'repeated.bin': { file: repeatedChunk() } } }),
  ]
}

function codecSteps(): Step[] {
  const tree = (version: number, rows: number): Record<string, TreeNode> => ({
    'table.csv': { file: lines(rows, version) },
    'random.bin': { file: seededBytes(9000, version) },
    [`notes/${version}.txt`]: { file: `version ${version}\n` },
  })
  const on = (node: 20 | 24, step: Step): Step => ({ node, run: step.run })
  return [
    on(24, push('mixed', { tree: tree(1, 1500), zstd: 'native', level: 'fast' })),
    on(24, push('mixed', { tree: tree(2, 1500), zstd: 'native', level: 'balanced' })),
    on(24, push('mixed', { tree: tree(3, 1500), zstd: 'native', level: 'max' })),
    on(20, push('mixed', { tree: tree(4, 1500), zstd: 'portable', level: 'fast' })),
    on(20, push('mixed', { tree: tree(5, 1500), zstd: 'portable', level: 'balanced' })),
    on(20, push('mixed', { tree: tree(6, 1500), zstd: 'portable', level: 'max' })),
    push('mixed', { tree: tree(7, 1500), zstd: 'none' }),
    on(24, push('large', { tree: { 'zeros and more': { file: `${lines(40, 8).repeat(5000)}end\n` } }, zstd: 'native', level: 'max' })),
    on(20, push('large', { tree: { 'zeros and more': { file: `${lines(41, 9).repeat(5000)}end\n` } }, zstd: 'portable' })),
  ]
}

function tombSteps(): Step[] {
  const first: Record<string, TreeNode> = {
    'kept.bin': { file: seededBytes(30_000, 21) },
    'dropped.bin': { file: seededBytes(30_000, 22) },
    'table.csv': { file: lines(1000, 23) },
  }
  const second: Record<string, TreeNode> = { 'kept.bin': first['kept.bin']!, 'table.csv': { file: lines(1001, 23) } }
  const third: Record<string, TreeNode> = { ...second, 'new.txt': { file: 'new\n' } }
  return [
    push('data', { tree: first, tags: ['draft', 'old'] }),
    { run: tombAllPacks },
    push('data', { tree: second, message: 'stores again what lies in the tombed pack' }),
    {
      run: async stage => {
        const [oldest, newer] = stage.expected.versions as [ExpectedVersion, ExpectedVersion]
        await stage.label(oldest, [], ['draft'])
        await stage.label(oldest, ['paper'], [])
        await stage.label(newer, ['best', 'größer'], ['never there'])
      },
    },
    push('data', { tree: third, snapshotsLateBy: 30 * MINUTE, message: 'late, but all of it is there' }),
    // it sees nothing of the others, as in a store whose listings lag: so its index supersedes none, and two indexes
    // count
    push('notes', { tree: { 'notes.txt': { file: lines(300, 24) } }, hides: name => name !== CONFIG_NAME }),
    { run: tombOfThePast },
    { run: interruptedPush },
  ]
}

function push(name: string, options: StagedPush): Step {
  return { run: async stage => void (await stage.push(name, options)) }
}

async function tombAllPacks(stage: Stage): Promise<void> {
  const packs = stage.objects('pack-').map(name => name.slice('pack-'.length))
  const { id, bytes } = encodeTomb({ kind: 'packs', packs }, toHex(stage.nonce()))
  await stage.put(tombName(id), bytes)
}

/** A tomb whose only pack is gone, and the marker that says so. */
async function tombOfThePast(stage: Stage): Promise<void> {
  const tomb = encodeTomb({ kind: 'packs', packs: [sha256Hex(stage.nonce())] }, toHex(stage.nonce()))
  const marker = encodeTomb({ kind: 'marker', spent: [tomb.id] }, toHex(stage.nonce()))
  await stage.put(tombName(tomb.id), tomb.bytes)
  await stage.put(tombName(marker.id), marker.bytes)
}

/**
 * A pack that no index names, and a snapshot made from it an hour after its listing: its manifest is there, but a
 * file's chunk is not. It is the newest of its name, and must not be offered.
 */
async function interruptedPush(stage: Stage): Promise<void> {
  const newest = newestData(stage)
  const lost = sha256(Buffer.from('a chunk that was never stored'))
  const manifest = Buffer.from(encodeEntry({ path: 'lost.bin', type: 'file', mode: 0o644, mtime: 0n, size: 29, chunks: lost }))
  const zstd = await loadZstd('portable')
  const plain = Buffer.concat([manifest, seededBytes(5000, 31)])
  const block = encodeBlock(plain, { level: 'balanced', kind: 'general' }, zstd)
  const chunkIds = Buffer.concat([sha256(manifest), sha256(plain.subarray(manifest.length))])
  const pack = encodePack([{ block, chunkIds, chunkLengths: [manifest.length, plain.length - manifest.length] }], stage.nonce())
  await stage.put(packName(pack.id), pack.bytes)
  const time = newest.time + 24 * 60 * MINUTE
  const snapshot = encodeSnapshot({
    ...newest,
    time,
    listed: time - 60 * MINUTE,
    manifest: { bytes: manifest.length, chunks: [sha256Hex(manifest)] },
  })
  await stage.put(snapshot.objectName, snapshot.bytes)
  stage.expected.notOffered.push(snapshot.id)
}

function newestData(stage: Stage): Snapshot {
  const names = stage.objects('snapshot-').filter(name => name.endsWith('-data.json'))
  return JSON.parse(stage.read(names.sort().at(-1)!).toString('utf8')) as Snapshot
}

/**
 * How the golden repositories were made. A recipe is never changed once its repository is committed: new situations get
 * new recipes.
 */
export const recipes: Record<string, { about: string; steps: Step[] }> = {
  basic: {
    about: 'Several names and versions; every kind of entry, name, mode and time; tags and messages; single files and an empty folder.',
    steps: basicSteps(),
  },
  codecs: {
    about: 'Blocks that are raw, zstd by Node 24 itself, zstd by the portable codec on Node 20, and deflate; all levels.',
    steps: codecSteps(),
  },
  tombs: {
    about: 'A tomb on a pack that is still needed, labels, late snapshots (one whole, one not), packs without an index, several indexes.',
    steps: tombSteps(),
  },
  tensors: {
    about: 'Tensors of all widths as byte planes, as deltas in a chain of eight, and as bf16 and fp16 that are predicted from fp32.',
    steps: tensorSteps(),
  },
  tables: {
    about: 'Tables taken apart into columns and places, with pairs of symbols; deltas of floats of all widths, grouped by exponent.',
    steps: tableSteps(),
  },
  numbers: {
    about: 'Deltas of floats of both widths as numbers in contexts, around 0 and around another center, in several chunks.',
    steps: numberSteps(),
  },
  contexts: {
    about: 'A table and steps of integers whose bytes are coded in the context of the byte before them, with one table and several.',
    steps: contextSteps(),
  },
  floats: {
    about: 'Floats of both widths, with signs and without, coded as numbers in segments.',
    steps: floatSteps(),
  },
  matrices: {
    about: 'Floats whose rows and columns say what to expect, with elements between them that have no rows.',
    steps: matrixSteps(),
  },
  copies: {
    about: 'Repeats within blocks, and within long blocks, stored as copies.',
    steps: copySteps(),
  },
  encrypted: {
    about: 'Sealed objects and names of each kind, of one segment and of several; a password, a recovery code and a kept key.',
    steps: encryptedSteps(),
  },
}
