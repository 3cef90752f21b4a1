/*
 * The command python: hands out the Python module that comes with the program. What the module does is in
 * `python/colab_escape.py`.
 */

import { readFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Outcome, Session } from '../shared/session.ts'

/** In the package, seen from the folder of the built program. */
const MODULE = fileURLToPath(new URL('../python/colab_escape.py', import.meta.url))

export async function pythonCommand({ console }: Session, { path = false }: { path?: boolean }): Promise<Outcome> {
  if (path) {
    console.print([dirname(MODULE)], { command: 'python', path: dirname(MODULE) })
    return 'done'
  }
  const source = await readFile(MODULE, 'utf8')
  console.print(source.trimEnd().split('\n'), { command: 'python', source })
  return 'done'
}
