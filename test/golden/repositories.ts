import { createHash } from 'node:crypto'
import { cpSync, existsSync, readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Expected } from './stage.ts'

const HERE = fileURLToPath(new URL('.', import.meta.url))

export interface GoldenRepository {
  name: string
  expected: Expected
  /** Puts a copy of its objects into the new folder `path`. */
  copyTo: (path: string) => void
}

export function goldenRepositories(): GoldenRepository[] {
  return readdirSync(HERE)
    .filter(name => existsSync(join(HERE, name, 'expected.json')))
    .map(name => ({
      name,
      expected: JSON.parse(readFileSync(join(HERE, name, 'expected.json'), 'utf8')) as Expected,
      copyTo: path => cpSync(join(HERE, name, 'repo'), path, { recursive: true }),
    }))
}

export function goldenRepository(name: string): GoldenRepository {
  const found = goldenRepositories().find(repository => repository.name === name)
  if (!found) throw new Error(`there is no golden repository ${name}`)
  return found
}

/** A hash of every file of every golden repository, by its path. */
export function hashesOfAll(): Record<string, string> {
  const files = readdirSync(HERE, { recursive: true, withFileTypes: true }).filter(entry => entry.isFile())
  return Object.fromEntries(
    files.map(entry => {
      const path = join(entry.parentPath, entry.name)
      return [path, createHash('sha256').update(readFileSync(path)).digest('hex')]
    }),
  )
}
