import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Target } from './target.ts'

/** Inputs that are run by each `npm test`: a folder for each target. */
export const CORPUS = fileURLToPath(new URL('corpus', import.meta.url))
export const MAX_CORPUS_BYTES = 2048

/** The kept inputs of a target, by the names of their files. */
export function corpusOf({ name }: Target): Map<string, Uint8Array> {
  const folder = join(CORPUS, name)
  return new Map(existsSync(folder) ? readdirSync(folder).map(file => [file, readFileSync(join(folder, file))]) : [])
}
