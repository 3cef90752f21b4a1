import { corrupt } from '../../util/errors.ts'
import { encodeDirectory } from '../format/directory.ts'
import type { IndexedPack } from '../format/index-object.ts'
import { TRAILER_BYTES } from '../format/pack.ts'
import type { ChunkIndex } from '../index/chunk-index.ts'

/**
 * A pack of an index that was read. Only the chunk index holds its directory. The directory is encoded again if a new
 * index includes the pack, which is rare. Kept directories would take nearly as much memory as the chunk index.
 */
export class LazyIndexedPack implements IndexedPack {
  readonly id: string
  readonly size: number
  readonly directoryLength: number
  private readonly index: ChunkIndex
  private readonly number: number

  constructor({ id, size, directoryBytes }: IndexedPack, index: ChunkIndex, number: number) {
    this.id = id
    this.size = size
    this.directoryLength = directoryBytes.length
    this.index = index
    this.number = number
  }

  get directoryBytes(): Uint8Array {
    const blocks = this.index.listedBlocks(this.number)
    const bytes = encodeDirectory(blocks)
    const blockBytes = blocks.reduce((sum, { block }) => sum + block.parts.reduce((stored, part) => stored + part.storedLength, 0), 0)
    if (blockBytes + bytes.length + TRAILER_BYTES !== this.size)
      throw corrupt(`The index entry of pack ${this.id.slice(0, 12)}`, 'it does not encode to the bytes that were read')
    return bytes
  }
}
