/**
 * Constants with which a push makes packs too large for one request from the first on, as real pushes do only after 12
 * MB. For `vi.mock`.
 */
export const withLargePacks = (constants: object): object => ({ ...constants, FIRST_PACK_BYTES: 8 * 1024 * 1024 })
