import { createHmac, createSecretKey } from 'node:crypto'
import { gearTableOf } from '../../kernels/fastcdc.ts'
import type { ChunkKeys } from '../../util/chunk-keys.ts'
import { hmac, type RepositoryKeys } from './keys.ts'

/** How chunks of an encrypted repository get their ids, and where its files are cut: by HMAC-SHA256 (RFC 2104). */
export function sealedChunkKeys({ id, chunkIds, gear }: RepositoryKeys): ChunkKeys {
  const key = createSecretKey(chunkIds)
  return {
    id,
    gear: gearTableOf(text => hmac(gear, Buffer.from(text))),
    // through a string, as in `sha256`
    idOf: bytes => Buffer.from(createHmac('sha256', key).update(bytes).digest('binary'), 'binary'),
  }
}
