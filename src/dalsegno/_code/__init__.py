"""Where the code of deployments comes from: repositories, URLs and folders, and the steps that bring it to a machine.

Users reach it by `dalsegno.deployments`; workers by `preparing.prepare_code`.
"""
