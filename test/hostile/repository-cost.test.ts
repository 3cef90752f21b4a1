import { describe, expect, test } from 'vitest'
import type { ChunkBases, NewBlock } from '../../src/repository/format/directory.ts'
import type { Entry } from '../../src/repository/format/manifest.ts'
import { sha256 } from '../../src/util/hash.ts'
import { rescue, type Run } from '../golden/rescue-runs.ts'
import { type CliResult, Sandbox, withSandbox } from '../helpers/cli.ts'
import { rawBlock } from '../helpers/encode.ts'
import { idOf, rawBlockOf } from '../helpers/repository/arbitraries.ts'
import { CraftedStore, deflated } from '../helpers/repository/crafted-store.ts'
import { fileEntry } from '../helpers/repository/manifest-entries.ts'
import { predictedBlock } from '../helpers/repository/predicted.ts'

/** What took minutes, or was never going to end, ends in seconds; a machine that is busy needs a few times as long. */
const SOON_MS = 15_000

const GOOD = Buffer.from('what an honest push has stored')
const CHUNKS_PER_BLOCK = 50_000

/** Runs with a store that holds one honest file, and what `craft` adds. */
function withCrafted(craft: (store: CraftedStore) => Entry[] | void, use: (sandbox: Sandbox) => Promise<void>): Promise<void> {
  return withSandbox(async sandbox => {
    const store = new CraftedStore(sandbox.store)
    store.config()
    store.index([store.pack([rawBlock(GOOD)])])
    const more = craft(store) ?? []
    store.version([...more, fileEntry('good', sha256(GOOD), GOOD.length)])
    await use(sandbox)
  })
}

async function soon<T extends CliResult | Run>(run: Promise<T>): Promise<T> {
  const began = performance.now()
  const ended = await run
  expect(performance.now() - began, ended.stderr).toBeLessThan(SOON_MS)
  return ended
}

async function expectGoodFile(sandbox: Sandbox): Promise<void> {
  const run = await soon(sandbox.run(['cat', 'data:good']))
  expect(run.stdout, run.stderr).toBe(GOOD.toString())
}

/** Chunks of a byte with these ids, in blocks of zeros. */
function zeros(ids: readonly Uint8Array[], bases?: (chunk: number) => ChunkBases | undefined): NewBlock[] {
  const blocks: NewBlock[] = []
  for (let at = 0; at < ids.length; at += CHUNKS_PER_BLOCK) {
    const own = ids.slice(at, at + CHUNKS_PER_BLOCK)
    const found = own.flatMap((_, i) => {
      const base = bases?.(at + i)
      return base ? [[i, base] as const] : []
    })
    blocks.push(deflated(new Uint8Array(own.length), own, new Array<number>(own.length).fill(1), new Map(found)))
  }
  return blocks
}

function numbered(count: number, at: number): Buffer[] {
  return Array.from({ length: count }, (_, i) => {
    const id = Buffer.alloc(32, 7)
    id.writeUInt32BE(i, at)
    return id
  })
}

describe('Opening a repository takes time in proportion to its indexes', () => {
  test.each([
    ['chunks whose ids begin alike', numbered(100_000, 28)],
    ['chunks whose ids differ in their highest bits', numbered(65_536, 4).map(id => Buffer.from(id.map(byte => byte << 6)))],
    ['one chunk, a hundred thousand times', new Array<Buffer>(100_000).fill(idOf(1))],
  ])('%s', { timeout: 120_000 }, (_, ids) =>
    withCrafted(
      store => void store.index([store.pack(zeros(ids))]),
      async sandbox => {
        await expectGoodFile(sandbox)
        const saved = await soon(rescue(sandbox.store, 'restore', 'data', sandbox.in('rescued')))
        expect(saved.code, saved.stderr).toBe(0)
      },
    ),
  )
})

describe('Reading what is damaged tries each copy once', () => {
  /** A chunk of each depth, several copies each; the one of depth 0 is not what its id says. */
  function damagedChain(copies: number): { blocks: NewBlock[]; top: Buffer } {
    const plain = Array.from({ length: 9 }, (_, depth) => Buffer.alloc(16, depth))
    const bottom = rawBlock(Buffer.alloc(16, 99), sha256(plain[0]!))
    const blocks = [bottom]
    for (let depth = 1; depth < plain.length; depth++)
      for (let i = 0; i < copies; i++) blocks.push(predictedBlock('delta', [{ plain: plain[depth]!, depth, bases: [plain[depth - 1]!] }]))
    return { blocks, top: plain[8]! }
  }

  test('eight copies of every base, eight deep', { timeout: 120_000 }, () =>
    withCrafted(
      store => {
        const { blocks, top } = damagedChain(8)
        store.index([store.pack(blocks)])
        return [fileEntry('deep', sha256(top), top.length)]
      },
      async sandbox => {
        const run = await soon(sandbox.run(['cat', 'data:deep']))
        expect(run.code).toBe(7)
        expect(run.stderr).toContain('is predicted from')
        const pulled = await soon(sandbox.run(['pull', 'data', 'out']))
        expect(pulled.code, pulled.stderr).toBe(7)
        await expectGoodFile(sandbox)
        expect((await soon(sandbox.run(['check', '--read-data']))).code).toBe(7)
        expect((await soon(rescue(sandbox.store, 'verify', 'data'))).code).toBe(1)
      },
    ),
  )

  test('a block of which all fifty thousand chunks are wrong', { timeout: 120_000 }, () =>
    withCrafted(
      store => {
        const ids = numbered(CHUNKS_PER_BLOCK, 0)
        const lengths = ids.map((_, i) => (i === 0 ? 4 * 1024 * 1024 - CHUNKS_PER_BLOCK + 1 : 1))
        store.index([store.pack([deflated(new Uint8Array(4 * 1024 * 1024), ids, lengths)])])
        return ids.slice(1).map(id => fileEntry(`a${id.readUInt32BE(0).toString().padStart(6, '0')}`, id, 1))
      },
      async sandbox => {
        const pulled = await soon(sandbox.run(['pull', 'data', 'out']))
        expect(pulled.code, pulled.stderr.slice(-500)).toBe(7)
      },
    ),
  )
})

describe('Following bases takes time in proportion to what the directories say', () => {
  const COPIES = 40_000

  test('64 bases for each chunk, eight deep', { timeout: 120_000 }, () =>
    withCrafted(
      store => {
        // 64 bases at each of eight depths: each chunk is named 64 times by the one above it
        const ids = Array.from({ length: 9 }, (_, depth) => idOf(depth))
        store.index([
          store.pack(zeros(ids, depth => (depth === 0 ? undefined : { depth, ids: new Array<Buffer>(64).fill(ids[depth - 1]!) }))),
        ])
        return [fileEntry('deep', ids[8], 1)]
      },
      async sandbox => {
        const run = await soon(sandbox.run(['du']))
        expect(run.code, run.stderr).toBe(0)
        expect((await soon(sandbox.run(['prune', '--now', '--dry-run']))).code).toBe(0)
        await expectGoodFile(sandbox)
      },
    ),
  )

  test('a net of more blocks than are kept in memory, eight deep', { timeout: 120_000 }, () =>
    withCrafted(
      store => {
        // each block of thirty chunks is predicted from all thirty blocks of the depth below
        const plain = (depth: number, block: number, chunk: number): Buffer => Buffer.from([depth, block, chunk, 0])
        const thirty = Array.from({ length: 30 }, (_, i) => i)
        const blocks = thirty.map(block => rawBlockOf(thirty.map(chunk => plain(0, block, chunk))))
        for (let depth = 1; depth <= 8; depth++)
          for (const block of thirty)
            blocks.push(
              predictedBlock(
                'delta',
                thirty.map(chunk => ({ plain: plain(depth, block, chunk), depth, bases: [plain(depth - 1, chunk, block)] })),
              ),
            )
        store.index([store.pack(blocks)])
        return [fileEntry('deep', Buffer.concat(thirty.map(block => sha256(plain(8, block, 3)))), 120)]
      },
      async sandbox => {
        const run = await soon(sandbox.run(['cat', 'data:deep']))
        expect(run.bytes.length, run.stderr).toBe(120)
        expect((await soon(rescue(sandbox.store, 'verify', 'data'))).code).toBe(0)
      },
    ),
  )

  test('many chunks whose base has many copies that are too deep', { timeout: 120_000 }, () =>
    withCrafted(
      store => {
        const base = rawBlock(Buffer.from([5]))
        const deep = zeros(new Array<Buffer>(COPIES).fill(sha256(Buffer.from([5]))), () => ({ depth: 5, ids: [idOf(0)] }))
        const plain = Array.from({ length: COPIES }, (_, i) => Buffer.from([i & 255]))
        const bases = plain.map(() => Buffer.from([5]))
        const named = predictedBlock(
          'delta',
          plain.map((chunk, i) => ({ plain: chunk, depth: 1, bases: [bases[i]!] })),
        )
        store.index([store.pack([...deep, named, base])])
        return [fileEntry('few', sha256(Buffer.from([7])), 1)]
      },
      async sandbox => {
        const run = await soon(sandbox.run(['cat', 'data:few']))
        expect([...run.bytes], run.stderr).toEqual([7])
        expect((await soon(rescue(sandbox.store, 'verify', 'data'))).code).toBe(0)
      },
    ),
  )

  test('a chain of blocks that only a newer program can divide', { timeout: 120_000 }, () =>
    withCrafted(
      store => {
        // each block holds a chunk that the block before it is predicted from, and one that is predicted from the next
        const count = 20_000
        const blocks = Array.from({ length: count }, (_, i): NewBlock => {
          const next = idOf(Math.min(i + 1, count - 1))
          const block = { ...rawBlock(new Uint8Array(2)).block, filter: 200 }
          return {
            block,
            chunkIds: Buffer.concat([idOf(i), idOf(count + i)]),
            chunkLengths: [1, 1],
            bases: new Map(i + 1 < count ? [[1, { depth: 1, ids: [next] }]] : []),
          }
        })
        store.index([store.pack(blocks)])
        return [fileEntry('blocks', idOf(0), 1)]
      },
      async sandbox => {
        const run = await soon(sandbox.run(['prune', '--now', '--dry-run']))
        expect(run.code, run.stderr).toBe(0)
      },
    ),
  )
})

describe('A pull plans in time that is proportional to the manifest', () => {
  test('thousands of files, a thousand folders deep', { timeout: 120_000 }, () =>
    withCrafted(
      () => {
        const folder = (depth: number): string => new Array(depth).fill('d').join('/')
        const directories = Array.from({ length: 1500 }, (_, i): Entry => ({
          path: folder(i + 1),
          type: 'directory',
          mode: 0o755,
          mtime: 0n,
        }))
        const files = Array.from({ length: 5000 }, (_, i) => fileEntry(`${folder(1500)}/f${i.toString().padStart(5, '0')}`))
        return [...directories, ...files]
      },
      async sandbox => {
        const run = await soon(sandbox.run(['pull', 'data', 'out', '--dry-run']))
        expect(run.code, run.stderr.slice(-500)).toBe(0)
      },
    ),
  )
})
