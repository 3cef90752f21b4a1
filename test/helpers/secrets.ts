import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { errnoOf } from '../../src/util/errors.ts'
import { DEFAULT_CLIENT } from '../drive-emulator/emulator.ts'

/**
 * Enough of an access token, a refresh token, a login code, a client secret or the address of an upload that nobody
 * could say it was cut short enough.
 */
const SHAPES = new RegExp(
  [
    String.raw`ya29\.[\w-]{16}`,
    String.raw`1//0[\w-]{16}`,
    String.raw`4(?:/|%2F)0A[\w-]{16}`,
    String.raw`AHmUCY[\w-]{16}`,
    DEFAULT_CLIENT.secret!,
  ].join('|'),
)

/** Files below a folder by their paths, but for the login itself. */
export function filesIn(folder: string): Map<string, string> {
  const entries = existsSync(folder) && statSync(folder).isDirectory() ? readdirSync(folder, { recursive: true, withFileTypes: true }) : []
  const files = entries.filter(entry => entry.isFile() && entry.name !== 'login.json')
  return new Map(files.flatMap(entry => contentOf(join(entry.parentPath, entry.name))))
}

/** Nothing if it is gone: a command that runs beside this test has renamed it. */
function contentOf(path: string): [path: string, content: string][] {
  try {
    return [[path, readFileSync(path, 'latin1')]]
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return []
    throw error
  }
}

/**
 * Every run of the program in any test passes here: it fails where a secret of the emulator stands in what was said or
 * left behind.
 */
export function refuseSecrets(texts: ReadonlyMap<string, string>): void {
  for (const [where, text] of texts) {
    const found = SHAPES.exec(text)
    if (found) throw new Error(`a secret leaked into ${where}: ${found[0].slice(0, 8)}...`)
  }
}
