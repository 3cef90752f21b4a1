import { TarArchive } from 'archiver'
import type { KeptNames } from './entry-names.ts'
import { TAR_BLOCK_BYTES } from './tar-header.ts'

/** What archiver (its exact version is in package.json) has inside, as far as it is used here. */
interface TarEngine {
  push(bytes: Uint8Array): boolean
  _encode(header: EngineHeader): void
}

interface EngineHeader {
  name: string
  type: string
  size: number
  mode: number
  uid: number
  gid: number
  mtime: Date
  linkname?: string | null
  pax?: Record<string, string>
  kept?: KeptNames
}

/** Fields of a header (POSIX.1-1988): where they begin. */
const [CHECKSUM_AT, TYPE_AT, LINKNAME_AT] = [148, 156, 157]
const NAME_BYTES = 100
const LONG_NAME: Omit<EngineHeader, 'size'> = { name: '././@LongLink', type: 'file', mode: 0o644, uid: 0, gid: 0, mtime: new Date(0) }

/**
 * archiver's tar, with names that it would change: their bytes are written as GNU tar writes them, in the header up to
 * 100 bytes, otherwise in a long name of GNU (types L and K).
 */
export function compactTar(): TarArchive {
  const archive = new TarArchive()
  const { engine } = (archive as unknown as { _module: { engine: TarEngine } })._module
  const encode = engine._encode.bind(engine)
  const push = engine.push.bind(engine)
  let caught: Buffer[] | undefined
  engine.push = bytes => (caught === undefined ? push(bytes) : caught.push(Buffer.from(bytes)) > 0)
  /** The blocks of a header, the last of which is that of the entry. */
  const blocksOf = (header: EngineHeader): Buffer[] => {
    const blocks: Buffer[] = []
    caught = blocks
    try {
      encode(header)
    } finally {
      caught = undefined
    }
    return blocks
  }
  const writeLong = (type: 'L' | 'K', name: Buffer): void => {
    if (name.length <= NAME_BYTES) return
    const [header] = blocksOf({ ...LONG_NAME, size: name.length + 1 })
    header![TYPE_AT] = type.charCodeAt(0)
    engine.push(withChecksum(header!))
    engine.push(Buffer.concat([name], Math.floor(name.length / TAR_BLOCK_BYTES + 1) * TAR_BLOCK_BYTES))
  }
  engine._encode = header => {
    if (header.kept === undefined) return encode(header)
    const { name, target } = header.kept
    // the number 0 and an empty name change nothing in the fields that are filled here
    const blocks = blocksOf({ ...header, name: '', linkname: '' })
    const last = blocks.pop()!
    for (const block of blocks) engine.push(block)
    writeLong('L', name)
    writeLong('K', target)
    for (const [at, bytes] of [
      [0, name],
      [LINKNAME_AT, target],
    ] as const) {
      last.fill(0, at, at + NAME_BYTES)
      bytes.copy(last, at, 0, NAME_BYTES)
    }
    engine.push(withChecksum(last))
  }
  return archive
}

/** The checksum counts its own field as spaces. */
function withChecksum(header: Buffer): Buffer {
  header.fill(' ', CHECKSUM_AT, TYPE_AT)
  const sum = header.reduce((total, byte) => total + byte, 0)
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, CHECKSUM_AT, 'latin1')
  return header
}
