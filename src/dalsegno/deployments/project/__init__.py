"""Files of deployments, `dalsegno.yaml`: reading them, choosing from them, deploying what was chosen.

`deploying.deploy_project` is where the command `dalsegno deploy` begins.
"""
