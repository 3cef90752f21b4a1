/** Files that hold numbers and are not read: how they begin, and what they are. */
interface Kind {
  magic: string
  /** Where the magic number stands. */
  at?: number
  what: string
  /** What to do instead. */
  cure: string
}

const CONVERT = 'Convert it to GGUF with the program that it was made for.'
const TABLE = 'It holds the columns of a table, no tensors. It is stored like any other file.'
const UNPACK = 'Decompress it first, or dump it with compress=0 or ("zlib", 3) if it is of joblib.'
const LOAD = 'Load it with the library that wrote it, and save its arrays as safetensors or .npz.'

const KINDS: readonly Kind[] = [
  { magic: 'PAR1', what: 'a Parquet table', cure: TABLE },
  { magic: 'ARROW1', what: 'an Arrow table', cure: TABLE },
  { magic: 'FEA1', what: 'a Feather table', cure: TABLE },
  { magic: 'ORTM', at: 4, what: 'a model of ONNX Runtime (ORT format)', cure: 'Name the .onnx file that it was made from.' },
  { magic: 'fmgg', what: 'a model of llama.cpp before GGUF (ggmf)', cure: CONVERT },
  { magic: 'tjgg', what: 'a model of llama.cpp before GGUF (ggjt)', cure: CONVERT },
  { magic: 'algg', what: 'a LoRA adapter of llama.cpp before GGUF (ggla)', cure: CONVERT },
  { magic: '\x12\x01\0\0\0\0\0\0', what: 'a file of arrays of MXNet', cure: LOAD },
  { magic: 'ZF0x', what: 'compressed by joblib before 0.10', cure: LOAD },
  { magic: 'BZh', what: 'compressed (bzip2)', cure: UNPACK },
  { magic: '\xfd7zXZ\0', what: 'compressed (xz)', cure: UNPACK },
  { magic: ']\0\0', what: 'compressed (lzma)', cure: UNPACK },
  { magic: '\x04\x22\x4d\x18', what: 'compressed (lz4)', cure: UNPACK },
  { magic: '\x28\xb5\x2f\xfd', what: 'compressed (zstd)', cure: UNPACK },
]

/** What a file with this start is, if it is of a kind that is known and not read. */
export function otherKind(start: Uint8Array): { what: string; cure: string } | undefined {
  const text = Buffer.from(start).toString('latin1')
  return KINDS.find(({ magic, at = 0 }) => text.startsWith(magic, at))
}
