import { AppError } from '../util/errors.ts'
import type { ZstdCodec, ZstdName } from './zstd/codec.ts'
import { hasNativeZstd, nativeZstd } from './zstd/native-zstd.ts'
import { PortableZstd } from './zstd/portable/portable-zstd.ts'

export type { ZstdCodec, ZstdName } from './zstd/codec.ts'

/** The codec that `loadZstd` returns on this machine. */
export function zstdName(prefer?: ZstdName): ZstdName {
  return prefer ?? (hasNativeZstd() ? 'native' : 'portable')
}

let native: ZstdCodec | undefined
let portable: PortableZstd | undefined

/**
 * The native codec if Node has one, else the portable one. `prefer` forces either. Await it before each use: that
 * replaces a broken portable codec, and costs little after the first time. AppError `unsupported` if the codec is not
 * available.
 */
export async function loadZstd(prefer?: ZstdName): Promise<ZstdCodec> {
  if (zstdName(prefer) === 'portable') return (portable ??= new PortableZstd()).ready()
  if (!hasNativeZstd()) {
    throw new AppError('unsupported', 'This Node.js has no zstd built in.', { hint: 'Use Node.js 22.15 or later, or the portable codec.' })
  }
  return (native ??= nativeZstd())
}
