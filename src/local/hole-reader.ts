import { closeSync, constants, fstatSync, openSync, readSync, statfsSync } from 'node:fs'

/** Position, length and memory of a direct read are multiples of this: enough for all usual disks. */
const ALIGNED = 4096
const READ_BYTES = 1024 * 1024
/** A read that ends in so many zeros may have come to a hole. */
const HOLE_BEGINS = 64 * 1024
/** Smaller holes take no time. */
const MIN_HOLES = 16 * 1024 * 1024
const ZEROS = Buffer.alloc(READ_BYTES)

/** File systems of Linux whose direct reads give what other reads give: ext4, XFS, Btrfs, and overlays of them. */
const FILE_SYSTEMS: ReadonlySet<number> = new Set([0xef53, 0x58465342, 0x9123683e, 0x794c7630])

/** Memory that no reader uses now. */
const spare: Uint8Array[] = []

/** Reads from `position` on into the front of `buffer`. Resolves to the number of bytes, 0 at the end of the file. */
type Read = (buffer: Uint8Array, position: number) => Promise<number>

/**
 * Reads a file with holes, one call at a time. The kernel fills the page cache with the zeros of a hole, which takes
 * most of the time and pushes out what is needed there. So what follows zeros is read past the cache (O_DIRECT). Every
 * byte is read: nothing is concluded from what the file system says about blocks.
 */
export class HoleReader {
  private readonly readCached: Read
  private readonly fd: number
  private readonly memory: Uint8Array
  private isInHole = false

  private constructor(readCached: Read, fd: number, memory: Uint8Array) {
    this.readCached = readCached
    this.fd = fd
    this.memory = memory
  }

  /** Undefined if an open file has no large holes, or can't be read past the cache. */
  static open(fd: number, readCached: Read): HoleReader | undefined {
    const { size, blocks } = fstatSync(fd)
    if (constants.O_DIRECT === undefined || size - blocks * 512 < MIN_HOLES) return undefined
    try {
      // the same file, whatever has its path by now
      const path = `/proc/self/fd/${fd}`
      if (!FILE_SYSTEMS.has(statfsSync(path).type)) return undefined
      const memory = spare.pop() ?? alignedMemory()
      return new HoleReader(readCached, openSync(path, constants.O_RDONLY | constants.O_DIRECT), memory)
    } catch {
      return undefined
    }
  }

  close(): void {
    closeSync(this.fd)
    spare.push(this.memory)
  }

  async read(buffer: Uint8Array, position: number): Promise<number> {
    const over = position % ALIGNED
    if (!this.isInHole) return this.readOn(buffer, position)
    if (over > 0) return this.readOn(buffer.subarray(0, ALIGNED - over), position)
    return this.readDirect(buffer, position) ?? this.readOn(buffer, position)
  }

  private async readOn(buffer: Uint8Array, position: number): Promise<number> {
    const count = await this.readCached(buffer, position)
    const end = buffer.subarray(Math.max(0, count - HOLE_BEGINS), count)
    this.isInHole = (this.isInHole || end.length === HOLE_BEGINS) && isZero(end)
    return count
  }

  /** Undefined if it fails, and at the end of the file. */
  private readDirect(buffer: Uint8Array, position: number): number | undefined {
    const { memory } = this
    const most = Math.min(memory.length, buffer.length - (buffer.length % ALIGNED))
    let count = 0
    try {
      if (most > 0) count = readSync(this.fd, memory, 0, most, position)
    } catch {
      // the disk wants it otherwise, or is damaged there: a cached read tells
    }
    const bytes = memory.subarray(0, count)
    this.isInHole = count > 0 && isZero(bytes)
    if (this.isInHole) buffer.fill(0, 0, count)
    else buffer.set(bytes)
    return count > 0 ? count : undefined
  }
}

interface WebAssemblyApi {
  Memory: new (pages: { initial: number; maximum: number }) => { readonly buffer: ArrayBuffer }
}

/** Memory of WebAssembly begins at a page. Throws where there is none. */
function alignedMemory(): Uint8Array {
  const pages = READ_BYTES / 65_536
  const { WebAssembly } = globalThis as unknown as { WebAssembly: WebAssemblyApi }
  return new Uint8Array(new WebAssembly.Memory({ initial: pages, maximum: pages }).buffer)
}

const isZero = (bytes: Uint8Array): boolean => Buffer.compare(bytes, ZEROS.subarray(0, bytes.length)) === 0
