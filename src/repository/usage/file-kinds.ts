const KINDS = {
  text: 'csv tsv txt md rst tex log json jsonl ndjson yaml yml toml ini cfg conf xml html htm svg css js ts py ipynb r c h cpp java go rs sh sql srt vtt',
  media: 'jpg jpeg png gif webp heic avif tif tiff bmp ico mp3 m4a aac ogg opus flac wav aiff mp4 m4v mov avi mkv webm mpg mpeg',
  compressed: 'zip gz tgz bz2 xz zst tzst 7z rar lz4 br jar whl parquet pdf docx xlsx pptx odt ods',
  'models, data':
    'safetensors pt pth ckpt bin gguf ggml onnx h5 hdf5 keras npy npz pkl pickle joblib tflite pb msgpack tfrecord arrow feather',
} as const

const KIND_OF = new Map(Object.entries(KINDS).flatMap(([kind, endings]) => endings.split(' ').map(ending => [ending, kind] as const)))

/** Names the kind of a file, by the extension, for people. */
export function kindOfFile(path: string): string {
  const name = path.slice(path.lastIndexOf('/') + 1)
  return KIND_OF.get(name.slice(name.lastIndexOf('.') + 1).toLowerCase()) ?? 'other'
}

/** Names an element type by its width in bytes if only that is known, such as `4-byte`. */
export const typeOfWidth = (width: number): string => `${width}${WIDTH_ONLY}`

const WIDTH_ONLY = '-byte'

/** Names the kind of a chunk: tensors and numbers by the type of their elements, everything else by the file's name. */
export function kindOfChunk(path: string, type: string | undefined): string {
  if (type === undefined) return kindOfFile(path)
  return type.endsWith(WIDTH_ONLY) ? `${type} numbers` : `${type} tensors`
}
