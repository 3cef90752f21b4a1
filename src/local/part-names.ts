import { sha256Hex } from '../util/hash.ts'
import { encodePath } from '../util/paths.ts'

/**
 * The name, beside its destination, under which a file is written until it is whole. It tells the content that it is to have, so that a pull that is run
 * again finds what an interrupted one had written of it.
 */
export function partName(path: string, content: Uint8Array): string {
  return `.colab-escape-${sha256Hex(Buffer.concat([encodePath(path), Buffer.from([0]), content])).slice(0, 24)}.part`
}

const PART = /^\.colab-escape-[0-9a-f]{24}\.part$/

export function isPartName(name: string): boolean {
  return PART.test(name)
}
