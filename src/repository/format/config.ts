import { corrupt, newerFormat } from '../../util/errors.ts'
import { isRecord, parseJson } from '../../util/json-fields.ts'
import { FORMAT } from './limits.ts'

const ABOUT = [
  'This folder is a colab-escape repository: compressed, deduplicated versions of pushed folders.',
  'Do not rename, edit or delete files in it. To list or restore what it holds:',
  '  npx -y colab-escape log --store <this folder>',
  '  npx -y colab-escape pull <name> --store <this folder>',
  'Without colab-escape: docs/rescue.py of the project restores any version with Python and zstd.',
]

/**
 * The bytes are the same in every repository, so two machines that create one at the same moment write the same config.
 */
export function encodeConfig(): Uint8Array {
  return new TextEncoder().encode(`${JSON.stringify({ format: FORMAT, about: ABOUT }, undefined, 2)}\n`)
}

/** Throws `corrupt` for a damaged config and `newer-format` for one of a newer format. */
export function checkConfig(bytes: Uint8Array, location: string): void {
  const what = `The repository's config.json in ${location}`
  if (bytes.length > 65_536) throw corrupt(what, 'it is too large')
  const config = parseJson(bytes, what)
  if (!isRecord(config) || typeof config.format !== 'number' || !Number.isInteger(config.format) || config.format < 1)
    throw corrupt(
      what,
      'it names no format',
      'If this is a repository, run `colab-escape repair`. If not, name another folder with --store.',
    )
  if (config.format > FORMAT) throw newerFormat(what)
}
