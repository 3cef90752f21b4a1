import xxhash from 'xxhash-wasm'

let loaded: ReturnType<typeof xxhash> | undefined

/** The hash of a frame's checksum. Compiled once, because an archive may have very many frames. */
export function loadXxhash(): ReturnType<typeof xxhash> {
  return (loaded ??= xxhash())
}
