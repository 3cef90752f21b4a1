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
const UNPACK = 'Decompress it first, or dump it with compress=0, ("zlib", 3) or ("bz2", 3) if it is of joblib.'
const BY_R = 'Load it in R, and save its arrays with a package for HDF5 or NumPy.'
const TREES = 'It holds trees, no tensors. It is stored like any other file.'
const ONNX = 'Name the model that it was made from, such as its .onnx file.'
const ZARR = 'Load the array with zarr, and save it as .npy or safetensors: its chunks are files of their own.'
const LOAD = 'Load it with the library that wrote it, and save its arrays as safetensors or .npz.'

const KINDS: readonly Kind[] = [
  { magic: 'PAR1', what: 'a Parquet table', cure: TABLE },
  { magic: 'ARROW1', what: 'an Arrow table', cure: TABLE },
  { magic: 'FEA1', what: 'a Feather table', cure: TABLE },
  { magic: 'RDX2\n', what: 'saved objects of R (.rda)', cure: BY_R },
  { magic: 'RDX3\n', what: 'saved objects of R (.rda)', cure: BY_R },
  { magic: 'X\n\0\0\0', what: 'a saved object of R (.rds)', cure: BY_R },
  { magic: 'SQLite format 3', what: 'an SQLite database', cure: TABLE },
  { magic: '\xff\xff\xff\xff\x10', what: 'an Arrow stream', cure: TABLE },
  { magic: 'ORC', what: 'an ORC table', cure: TABLE },
  { magic: '{L\0\0\0\0\0\0', what: 'a model of XGBoost', cure: TREES },
  { magic: '{"learner"', what: 'a model of XGBoost', cure: TREES },
  { magic: 'binf', what: 'a model of XGBoost before 1.0', cure: TREES },
  { magic: 'tree\nversion=', what: 'a model of LightGBM', cure: TREES },
  { magic: 'CBM1', what: 'a model of CatBoost', cure: TREES },
  { magic: 'ftrt', what: 'an engine of TensorRT', cure: ONNX },
  { magic: 'ptrt', what: 'an engine of TensorRT', cure: ONNX },
  { magic: '7767517\n', what: 'the structure of a model of ncnn', cure: ONNX },
  { magic: '\xba\x16\x4f\x2f', what: 'a model of fastText', cure: LOAD },
  { magic: '{"chunks":', what: 'the description of a Zarr array', cure: ZARR },
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

/** Files without a magic number, by their names. */
const NAMES: readonly { name: RegExp; what: string; cure: string }[] = [
  { name: /\.mlmodel$/i, what: 'a model of Core ML', cure: ONNX },
  { name: /\.mlpackage\b.*\.bin$/i, what: 'the weights of a model of Core ML', cure: ONNX },
  { name: /\.(engine|plan|trt)$/i, what: 'an engine of TensorRT', cure: ONNX },
  { name: /\.(pdiparams|pdmodel)$/i, what: 'an inference model of Paddle', cure: 'Name the .pdparams file that it was made from.' },
  { name: /\.caffemodel$/i, what: 'a model of Caffe', cure: ONNX },
  { name: /\.(mnn|rknn|om|tmfile|dlc)$/i, what: 'a model that was compiled for a device', cure: ONNX },
  { name: /(^|[/:])(\.zarray|\.zgroup|\.zattrs|\.zmetadata|zarr\.json)$/, what: 'the description of a Zarr array', cure: ZARR },
  { name: /\.(ubj|xgb)$/i, what: 'a model of XGBoost', cure: TREES },
  { name: /\.weights$/i, what: 'the weights of a model of Darknet', cure: ONNX },
  { name: /\.xml$/i, what: 'the structure of a model of OpenVINO, or another XML text', cure: ONNX },
]

/** What a file with this name is, if it is of a kind that is known and not read. */
export function otherKindByName(name: string): { what: string; cure: string } | undefined {
  return NAMES.find(kind => kind.name.test(name))
}
