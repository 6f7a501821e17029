import { startBundled } from './programs.ts'

startBundled()
