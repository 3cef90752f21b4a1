// Imports point one way: bin -> cli -> commands -> repository -> chunking, compression, storage -> kernels, util.
const layer = (name, from, allowed) => ({
  name,
  severity: 'error',
  from: { path: from },
  to: { path: '^src', pathNot: allowed },
})
module.exports = {
  forbidden: [
    { name: 'no-circular', severity: 'error', from: {}, to: { circular: true } },
    { name: 'no-unresolved', severity: 'error', from: {}, to: { couldNotResolve: true } },
    layer('util-is-a-leaf', '^src/util/', '^src/util/'),
    layer('kernels-know-a-type-of-util-only', '^src/kernels/', '^src/(kernels/|util/web-assembly\\.ts$)'),
    layer('storage-knows-util-only', '^src/storage/', '^src/(storage|util)/'),
    layer('compression-knows-kernels-and-util', '^src/compression/', '^src/(compression|kernels|util)/'),
    layer('chunking-knows-kernels-and-util', '^src/chunking/', '^src/(chunking|kernels|util)/'),
    layer('tensors-know-layouts-and-util', '^src/tensors/', '^src/(tensors|chunking|util)/'),
    layer('repository-is-the-core', '^src/repository/', '^src/(repository|chunking|compression|storage|kernels|util)/'),
    layer(
      'archive-stands-beside-repository',
      '^src/archive/',
      '^src/(archive|compression|storage|util)/|^src/repository/(walk|ignore-rules|file-writer)\\.ts$',
    ),
    layer('auth-knows-util-only', '^src/auth/', '^src/(auth|util)/'),
    layer('ui-knows-util-only', '^src/ui/', '^src/(ui|util)/'),
    layer(
      'commands-do-not-import-the-program',
      '^src/commands/',
      '^src/(commands|ui|archive|repository|tensors|chunking|compression|storage|auth|util|settings)',
    ),
    layer('settings-is-a-leaf', '^src/settings', '^src/util/'),
    layer('worker-runs-compression-only', '^src/worker', '^src/(worker|compression|kernels|util)'),
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: 'src/kernels/assembly' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: { extensions: ['.ts', '.js', '.cjs', '.mjs'] },
  },
}
