import fc from 'fast-check'
import type { Entry, FileEntry } from '../../../src/repository/format/manifest.ts'
import { comparePaths, decodeFileName } from '../../../src/util/paths.ts'
import { idOf } from './arbitraries.ts'

/** A file name as bytes: texts of all scripts, and bytes that are no UTF-8. */
export const anyNameBytes = fc
  .oneof(
    { weight: 2, arbitrary: fc.constantFrom('a', 'b', 'c', 'a.b', 'a-', 'A').map(text => Buffer.from(text)) },
    fc.string({ unit: 'grapheme', minLength: 1, maxLength: 6 }).map(text => Buffer.from(text)),
    fc.uint8Array({ minLength: 1, maxLength: 6 }).map(bytes => Buffer.from(bytes)),
  )
  .filter(bytes => bytes.length > 0 && !bytes.includes(0) && !bytes.includes(0x2f) && !['.', '..'].includes(bytes.toString('latin1')))

export const anyName = anyNameBytes.map(decodeFileName)

const mtime = fc.oneof(
  fc.bigInt({ min: -(2n ** 62n), max: 2n ** 62n }),
  fc.constantFrom(0n, -1000n, -999_999_000n, 15_032_385_535_000_000_000n, -62_135_596_800_000_000_000n),
)
const attributes = { mode: fc.nat(0o7777), mtime }

/** Chunks of a file: few as a rule, sometimes as many as fill a row, or two, or one more. */
const chunkCount = fc.oneof(
  { weight: 8, arbitrary: fc.nat(4) },
  { weight: 1, arbitrary: fc.constantFrom(1023, 1024, 1025, 2048, 2049, 3000) },
)

export function chunksOf(count: number, seed = 0): Buffer {
  const chunks = Buffer.alloc(count * 32)
  const id = idOf(seed)
  for (let i = 0; i < count; i++) {
    id.copy(chunks, i * 32)
    chunks.writeUInt32LE(i, i * 32)
  }
  return chunks
}

type Node = { type: 'folder'; children: [string, Node][] } | { type: 'symlink'; target: string } | { type: 'file'; chunks: number }

const { tree } = fc.letrec<{ tree: [string, Node][]; node: Node }>(tie => ({
  tree: fc.uniqueArray(fc.tuple(anyName, tie('node')), { maxLength: 5, selector: ([name]) => name }),
  node: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.record({ type: fc.constant('file' as const), chunks: chunkCount }),
    fc.record({ type: fc.constant('symlink' as const), target: fc.oneof(anyName, fc.constantFrom('..', '/etc/passwd', 'a/b')) }),
    fc.record({ type: fc.constant('folder' as const), children: tie('tree') }),
  ),
}))

/** The entries of some source, in order. */
export const anyEntries: fc.Arbitrary<Entry[]> = fc
  .tuple(tree, fc.array(fc.record({ ...attributes, size: fc.maxSafeNat() }), { minLength: 7, maxLength: 7 }))
  .map(([root, drawn]) => {
    const entries: Entry[] = []
    const visit = (children: [string, Node][], prefix: string): void => {
      for (const [name, node] of children) {
        const { mode, mtime, size } = drawn[entries.length % drawn.length]!
        const base = { path: prefix + name, mode, mtime }
        if (node.type === 'file') entries.push({ ...base, type: 'file', size, chunks: chunksOf(node.chunks, entries.length) })
        else if (node.type === 'symlink') entries.push({ ...base, type: 'symlink', target: node.target })
        else {
          entries.push({ ...base, type: 'directory' })
          visit(node.children, `${base.path}/`)
        }
      }
    }
    visit(root, '')
    return entries.sort((a, b) => comparePaths(a.path, b.path))
  })

export function fileEntry(path: string, chunks: Buffer = Buffer.alloc(0), size = 0): FileEntry {
  return { path, type: 'file', mode: 0o644, mtime: 0n, size, chunks }
}
