import { AppError } from '../util/errors.ts'
import type { ZstdCodec, ZstdName } from './zstd-codec.ts'
import { hasNativeZstd, nativeZstd } from './zstd-native.ts'
import { PortableZstd } from './zstd-portable.ts'

export type { ZstdCodec, ZstdName } from './zstd-codec.ts'

/** Which codec `loadZstd` gives on this machine. */
export function zstdName(prefer?: ZstdName): ZstdName {
  return prefer ?? (hasNativeZstd() ? 'native' : 'portable')
}

let native: ZstdCodec | undefined
let portable: PortableZstd | undefined

/**
 * The native codec where Node has one, else the portable one (`prefer` forces either). Cheap after the first time: await it before each use, since that
 * is when a portable codec that broke down is replaced. AppError `unsupported` where the codec can't be had.
 */
export async function loadZstd(prefer?: ZstdName): Promise<ZstdCodec> {
  if (zstdName(prefer) === 'portable') return (portable ??= new PortableZstd()).ready()
  if (!hasNativeZstd()) {
    throw new AppError('unsupported', 'This Node.js has no zstd built in.', { hint: 'Use Node.js 22.15 or later, or the portable codec.' })
  }
  return (native ??= nativeZstd())
}
