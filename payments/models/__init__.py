from payments.models.gateway_call import GatewayCall
from payments.models.incoming_webhook import IncomingWebhook
from payments.models.ledger import LedgerEntry
from payments.models.payment import Payment
from payments.models.reconciliation import Statement, StatementDifference, StatementPage
from payments.models.refund import Refund

__all__ = [
    "GatewayCall",
    "IncomingWebhook",
    "LedgerEntry",
    "Payment",
    "Refund",
    "Statement",
    "StatementDifference",
    "StatementPage",
]
