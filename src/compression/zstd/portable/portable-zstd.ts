/*
 * zstd for a Node.js that has none of its own (before 22.15), in WebAssembly. All of it goes when Node 22.15 is the
 * lowest version; the comment below says how.
 */

/*
 * When Node 22.15 is the lowest version:
 *
 * 1. Delete this folder, and `zstd-codec` and `fzstd` from package.json with scripts/licenses/zstd-codec.txt.
 * 2. `zstd/codec.ts`: `ZstdName` and the fields `name` and `searches` go. `zstd/native-zstd.ts`: `hasNativeZstd` and
 *    the interface `NativeZstd` go (@types/node has it); import from node:zlib by name.
 * 3. `load-zstd.ts` goes: its callers use `nativeZstd()`. With it go every parameter `zstd: ZstdCodec | undefined`,
 *    `prefer` in `pool.ts`, `jobs.ts` and worker.ts, and the setting COLAB_ESCAPE_ZSTD (settings.ts, `.env.example`).
 * 4. In `compression`: `MAX_HEAP_MB` is one number, and deflate no longer takes
 *    zstd's place (`encodeWhole`, `planeEncoders`). Readers keep deflate: repositories hold it.
 * 5. In `archive`: `decodeLongFrame` loses its parameter `codec`; `joinRaw` in `zstd-reader.ts` goes, since the native
 *    decoder verifies checksums; if the native encoder writes them too, `withChecksum`, `rawFrame` and xxhash-wasm go.
 * 6. Messages: the warning of `push --level max`, what `doctor` says of the codec, and hints that name Node 22.15.
 * 7. The tests that run with each codec (`CODECS` in test/compression/data.ts), `npm run test:node24`, docs/adr/0006.
 */

import { AppError, corrupt } from '../../../util/errors.ts'
import { assertCompressible, type ZstdCodec } from '../codec.ts'
import { checkFrame, ZSTD_FRAME } from '../frame.ts'
import { instantiateWasmZstd, type WasmZstd } from './wasm-zstd.ts'

const LEVELS = { fast: 1, balanced: 3, text: 6, high: 7, max: 8 } as const

const MiB = 1024 * 1024
/**
 * Bytes that the heap has for a block and its frame together, beside the tables of a level. Up to level 5 that is
 * enough for any block. Measured: level 7 has 7.5 MiB in a new instance, level 8 has 6.5, and level 9 less than 5.
 */
const ROOM: Partial<Record<number, number>> = { 6: 7 * MiB, 7: 7 * MiB, 8: 6 * MiB }

/**
 * The WebAssembly codec. It runs everywhere, within a heap of 16 MiB. That has no room for long frames beside long
 * blocks and the tables of a high level, so such a block is compressed at level 3. The next `ready()` replaces a broken
 * instance.
 */
export class PortableZstd implements ZstdCodec {
  readonly name = 'portable'
  readonly levels = LEVELS
  readonly searches = ['all'] as const
  private readonly instantiate: () => Promise<WasmZstd>
  private wasm: Promise<WasmZstd> | undefined
  private current: WasmZstd | undefined

  constructor(instantiate: () => Promise<WasmZstd> = instantiateWasmZstd) {
    this.instantiate = instantiate
  }

  /** Await it before each use. AppError `unsupported` where WebAssembly can't run. */
  async ready(): Promise<this> {
    if (this.current?.broken === true) {
      this.current = undefined
      this.wasm = undefined
    }
    this.wasm ??= this.instantiate()
    try {
      this.current = await this.wasm
    } catch (error) {
      this.wasm = undefined
      throw error
    }
    return this
  }

  compress(plain: Uint8Array, zstdLevel: number): Uint8Array {
    assertCompressible(this, plain, zstdLevel)
    const wasm = this.usable()
    const room = (ROOM[zstdLevel] ?? Infinity) - plain.length
    const stored = wasm.compress(plain, zstdLevel, room) ?? wasm.compress(plain, LEVELS.balanced, Infinity)
    if (stored === null) throw new AppError('io', `zstd could not compress ${plain.length} bytes.`)
    return stored
  }

  decompress(stored: Uint8Array, plainLength: number): Uint8Array {
    checkFrame(stored, plainLength)
    const wasm = this.usable()
    let plain: Uint8Array | null
    try {
      plain = wasm.decompress(stored, plainLength)
    } catch (error) {
      // both lengths are checked, so the heap suffices: the bytes themselves broke the decoder
      if (wasm.broken) throw corrupt(ZSTD_FRAME, 'the decoder broke down on it')
      throw error
    }
    if (plain?.length !== plainLength) throw corrupt(ZSTD_FRAME, 'it cannot be decoded')
    return plain
  }

  private usable(): WasmZstd {
    if (this.current === undefined || this.current.broken) throw new AppError('io', 'The portable zstd codec is not loaded.')
    return this.current
  }
}
