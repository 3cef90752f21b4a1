import { RepositoryKeys } from '../../../src/repository/sealing/keys.ts'

/** Keys of a made-up repository. `seed`: another repository for each byte. */
export function testKeys(seed = 1): RepositoryKeys {
  return new RepositoryKeys(new Uint8Array(32).fill(seed))
}
