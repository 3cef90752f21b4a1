import { corrupt, newerFormat } from '../../util/errors.ts'
import { isRecord, parseJson } from '../../util/json-fields.ts'
import { FORMAT } from './limits.ts'

const ABOUT = [
  'This folder is a colab-escape repository: compressed, deduplicated versions of pushed folders.',
  'Do not rename, edit or delete files in it. To list or restore what it holds:',
  '  colab-escape log --store <this folder>',
  '  colab-escape pull <name> --store <this folder>',
  'Without colab-escape: docs/rescue.py of the project restores any version with Python and zstd.',
]

/**
 * The bytes are the same in every repository, so two machines that create one at the same moment write the same config.
 */
export function encodeConfig(): Uint8Array {
  return new TextEncoder().encode(`${JSON.stringify({ format: FORMAT, about: ABOUT }, undefined, 2)}\n`)
}

// other programs have a config.json too, such as that of a model
const DAMAGED_HINT =
  'If this is your repository, run `colab-escape repair`. If another program made this folder, choose another one with --store.'

/** Throws `corrupt` for a damaged config and `newer-format` for one of a newer format. */
export function checkConfig(bytes: Uint8Array, location: string): void {
  const what = `The repository's config.json in ${location}`
  if (bytes.length > 65_536) throw corrupt(what, 'it is too large', DAMAGED_HINT)
  const config = parseJson(bytes, what, DAMAGED_HINT)
  if (!isRecord(config) || typeof config.format !== 'number' || !Number.isInteger(config.format) || config.format < 1)
    throw corrupt(what, 'it has no format', DAMAGED_HINT)
  if (config.format > FORMAT) throw newerFormat(what)
}
