import { type Entry, isSafePath, ManifestDecoder } from '../../../src/repository/format/manifest.ts'
import { decodeFileName, encodePath } from '../../../src/util/paths.ts'
import { toHex } from '../../../src/util/hash.ts'
import { encodeEntry } from '../../helpers/encode.ts'
import { plantedObjects } from '../../helpers/plant.ts'
import { idCount, idAt } from '../../../src/repository/format/chunk-ids.ts'
import { decoded, promise, type Target } from '../target.ts'

const ids = (count: number): Buffer => Buffer.alloc(32 * count, 'chunk')
const MTIME = 1_764_000_000_123_456_000n
const TREE: Entry[] = [
  { type: 'directory', path: 'a', mode: 0o755, mtime: MTIME },
  { type: 'file', path: 'a/b.csv', mode: 0o644, mtime: -5000n, size: 70_000, chunks: ids(2) },
  { type: 'directory', path: 'a/d', mode: 0o700, mtime: MTIME },
  { type: 'symlink', path: 'a/d/link', mode: 0o777, mtime: 0n, target: '../b.csv' },
  { type: 'file', path: decodeFileName(Buffer.from('caf\xe9', 'latin1')), mode: 0o4755, mtime: 0n, size: 0, chunks: ids(0) },
]

function decodeInPieces(input: Uint8Array, length: number): Entry[] {
  const decoder = new ManifestDecoder('a version')
  const entries: Entry[] = []
  for (let at = 0; at < input.length; at += length) entries.push(...decoder.push(input.subarray(at, at + length)))
  return [...entries, ...decoder.finish()]
}

/** The form that the driver of rescue.py gives. */
function pictureOf(entry: Entry): unknown {
  const chunks = entry.type === 'file' ? Array.from({ length: idCount(entry.chunks) }, (_, i) => toHex(idAt(entry.chunks, i))) : []
  const target = entry.type === 'symlink' ? encodePath(entry.target).toString('hex') : ''
  const size = entry.type === 'file' ? entry.size : 0
  return [encodePath(entry.path).toString('hex'), entry.type, entry.mode, String(entry.mtime), size, chunks, target]
}

const picturesOf = (entries: readonly Entry[]): string => JSON.stringify(entries.map(pictureOf))

export const manifest: Target = {
  name: 'manifest',
  isJson: true,
  seeds: () => [
    ...TREE.map(entry => Buffer.from(encodeEntry(entry))),
    Buffer.from(TREE.map(encodeEntry).join('')),
    Buffer.from(TREE.slice(0, 2).map(encodeEntry).join('') + '{"path":"a/b.csv","part":1,"chunks":[]}\n'),
  ],
  async run(input, rescue) {
    const got = decoded(() => decodeInPieces(input, input.length))
    const inPieces = decoded(() => decodeInPieces(input, 7))
    promise((got === undefined) === (inPieces === undefined), 'a manifest is read alike in any pieces')
    if (got) {
      promise(picturesOf(got) === picturesOf(inPieces!), 'a manifest is read alike in any pieces')
      const again = decodeInPieces(Buffer.from(got.map(encodeEntry).join('')), 1000)
      promise(picturesOf(got) === picturesOf(again), 'a manifest that decodes is written and read alike')
    }
    if (!rescue) return
    const answer = await rescue.repository(plantedObjects({ manifest: input }))
    const [version] = (answer as { versions: { entries: [path: string, ...unknown[]][] | null }[] }).versions
    if (got) promise(JSON.stringify(version!.entries) === picturesOf(got), 'rescue.py reads the same', got.map(pictureOf), version!.entries)
    for (const [path] of version!.entries ?? [])
      promise(isSafePath(decodeFileName(Buffer.from(path, 'hex'))), 'rescue.py refuses paths that lead elsewhere', path)
  },
}
