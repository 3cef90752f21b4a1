import type { Target } from '../target.ts'
import { extractAll, tarReader, xzReader, zipReader, zstdReader } from './archives.ts'
import { block, blockEncode, zstdFrame } from './block.ts'
import { directory, packTail } from './directory.ts'
import { driveAnswers } from './drive.ts'
import { env } from './env.ts'
import { gitState } from './git-state.ts'
import { index } from './index-object.ts'
import { manifest } from './manifest.ts'
import { checkpoint, flax, ggml, hdf5, matlab, onnx, tflite } from './models.ts'
import { objectNames } from './object-names.ts'
import { ignoreRules, namePattern } from './patterns.ts'
import { config, label, snapshot, tomb } from './snapshot.ts'
import { gguf, npy, pickle, safetensors, torch, torchLegacy, zipTensors } from './tensors.ts'

export const TARGETS: readonly Target[] = [
  directory,
  packTail,
  index,
  snapshot,
  manifest,
  label,
  tomb,
  config,
  objectNames,
  block,
  blockEncode,
  zstdFrame,
  xzReader,
  safetensors,
  gguf,
  npy,
  torch,
  torchLegacy,
  pickle,
  zipTensors,
  onnx,
  flax,
  hdf5,
  tflite,
  ggml,
  checkpoint,
  matlab,
  zipReader,
  tarReader,
  zstdReader,
  extractAll,
  ignoreRules,
  namePattern,
  env,
  gitState,
  driveAnswers,
]
