// Creates a folder and exits without disposing of it.
import { sendToParent, tempDir } from '@busbar/testbed';

await sendToParent(tempDir('left-behind').path);
