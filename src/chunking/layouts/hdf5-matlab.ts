import type { Hdf5File } from './hdf5-file.ts'
import { ATTRIBUTE, type Message } from './hdf5-object-header.ts'

/** What MATLAB notes of an array, in attributes of its dataset. */
interface Noted {
  /** Its class, such as `double` or `logical`. */
  kind?: string
  /** The array has no elements: the dataset holds its shape. */
  isEmpty?: true
}

const MAX_ATTRIBUTES = 100

/** Both attributes, if they are there. Other attributes are not looked into. */
export function notedByMatlab(file: Hdf5File, messages: readonly Message[]): Noted {
  const noted: Noted = {}
  for (const { data, isShared } of messages.filter(({ type }) => type === ATTRIBUTE).slice(0, MAX_ATTRIBUTES)) {
    const fields = file.fields(data)
    const version = fields.byte()
    if (isShared || version < 1 || version > 3) continue
    fields.skip(1)
    // of the name, the type and the space
    const sizes = [fields.uint(2), fields.uint(2), fields.uint(2)]
    if (version === 3) fields.skip(1)
    const [name] = sizes.map(size => textOf(fields.take(version === 1 ? Math.ceil(size / 8) * 8 : size)))
    if (name === 'MATLAB_class') noted.kind = textOf(fields.take(fields.remaining))
    if (name === 'MATLAB_empty' && fields.remaining > 0 && fields.byte() === 1) noted.isEmpty = true
  }
  return noted
}

/** Up to the first zero. */
function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('latin1').replace(/\0.*$/s, '')
}
