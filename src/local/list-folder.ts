import { readdir } from 'node:fs/promises'
import { errnoOf } from '../util/errors.ts'

/** The names in a folder, in no order; none where there is no such folder. */
export async function namesIn(folder: string): Promise<string[]> {
  try {
    return await readdir(folder)
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes(errnoOf(error) ?? '')) return []
    throw error
  }
}
