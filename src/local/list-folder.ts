import { readdir } from 'node:fs/promises'
import { errnoOf } from '../util/errors.ts'

/** The names in a folder, unsorted; empty if the folder does not exist. */
export async function namesIn(folder: string): Promise<string[]> {
  try {
    return await readdir(folder)
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes(errnoOf(error) ?? '')) return []
    throw error
  }
}
