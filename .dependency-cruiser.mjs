// Imports point one way: every room imports what scripts/rooms.mjs allows it, and nothing else.
import { ROOMS } from './scripts/rooms.mjs'

const FILES_OF_SRC = { settings: 'settings', worker: 'worker', program: '(cli|program|help|run-command|exit-codes|version|print-version)' }
const filesOf = room => (room in FILES_OF_SRC ? `^src/${FILES_OF_SRC[room]}\\.ts$` : `^src/${room}/[^/]+\\.ts$`)

const rules = Object.entries(ROOMS).map(([room, allowed]) => ({
  name: `${room} imports what its room may`,
  severity: 'error',
  from: { path: filesOf(room) },
  to: { path: '^src', pathNot: [room, ...allowed].map(filesOf) },
}))

export default {
  forbidden: [
    { name: 'no-circular', severity: 'error', from: {}, to: { circular: true } },
    { name: 'no-unresolved', severity: 'error', from: {}, to: { couldNotResolve: true } },
    {
      name: 'every file of src lies in a room',
      severity: 'error',
      from: { path: '^src/', pathNot: [...Object.keys(ROOMS).map(filesOf), '^src/globals\\.d\\.ts$'] },
      to: {},
    },
    ...rules,
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: 'src/kernels/assembly' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: { extensions: ['.ts', '.js', '.cjs', '.mjs'] },
  },
}
