import * as zlib from 'node:zlib'

/** The version on the first line, and what the program runs on. */
export function describeVersion(version: string, { json }: { json: boolean }): string {
  const { platform, arch } = process
  const node = process.versions.node
  // asked of Node, because the modules of the codecs are large
  const zstd = 'zstdCompressSync' in zlib ? 'native' : 'portable'
  return json
    ? `${JSON.stringify({ event: 'result', command: 'version', version, node, zstd, platform, arch })}\n`
    : `colab-escape ${version}\nNode ${node}, ${zstd} zstd, ${platform} ${arch}\n`
}
