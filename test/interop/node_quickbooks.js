// node-quickbooks against the simulator: create, query with paging, update,
// void, delete, change data capture and token refresh.  Only the endpoint
// settings of the library are changed.
'use strict'

const assert = require('assert')
const fs = require('fs')
const util = require('util')
const QuickBooks = require('node-quickbooks')

const start = JSON.parse(fs.readFileSync(process.argv[2], 'utf8'))
const company = start.companies[0]

QuickBooks.V3_ENDPOINT_BASE_URL = start.base_url + '/v3/company/'
QuickBooks.TOKEN_URL = start.base_url + '/oauth2/v1/tokens/bearer'
QuickBooks.REVOKE_URL = start.base_url + '/v2/oauth2/tokens/revoke'

const qbo = new QuickBooks(start.client_id, start.client_secret, 'no token yet', false, company.realm_id,
  true, false, 75, '2.0', company.refresh_token)

const call = name => util.promisify(qbo[name].bind(qbo))
const line = (amount, description) => ({
  Amount: amount, DetailType: 'SalesItemLineDetail', Description: description,
  SalesItemLineDetail: { ItemRef: { value: '1' } }
})

async function fault (promise) {
  try {
    await promise
  } catch (error) {
    const body = error.response ? error.response.data : error
    return (body.Fault || body.fault)
  }
  throw new Error('the call should have been refused')
}

const state = {}
const steps = {
  'a wrong token is refused': async () => {
    const refusal = await fault(call('getPreferences')())
    assert.strictEqual(refusal.error[0].code, '3200')
  },
  'token refresh': async () => {
    const tokens = await call('refreshAccessToken')()
    assert.strictEqual(tokens.expires_in, 3600)
    assert.strictEqual(qbo.token, tokens.access_token)
  },
  'company information': async () => {
    const info = await call('getCompanyInfo')(company.realm_id)
    assert.strictEqual(info.CompanyName, company.name)
  },
  'create a customer': async () => {
    state.customer = await call('createCustomer')({ DisplayName: "L'Été & Fils", PrimaryEmailAddr: { Address: 'a@exemple.test' } })
    assert.strictEqual(state.customer.SyncToken, '0')
    state.since = new Date(Date.parse(state.customer.MetaData.CreateTime) - 1000)
  },
  'a duplicate name is refused': async () => {
    const refusal = await fault(call('createCustomer')({ DisplayName: "L'ÉTÉ & FILS" }))
    assert.strictEqual(refusal.Error[0].code, '6240')
  },
  'find by name': async () => {
    const found = await call('findCustomers')([{ field: 'DisplayName', value: "L'Été & Fils", operator: '=' }])
    assert.deepStrictEqual(found.QueryResponse.Customer.map(c => c.Id), [state.customer.Id])
  },
  'query with paging': async () => {
    const found = await call('findCustomers')({ fetchAll: true, asc: 'MetaData.CreateTime', limit: 1000 })
    const counted = await call('findCustomers')({ count: true })
    const ids = new Set(found.QueryResponse.Customer.map(c => c.Id))
    assert.ok(ids.size > 2000)
    assert.strictEqual(ids.size, counted.QueryResponse.totalCount)
  },
  'full update of the whole object': async () => {
    state.customer = await call('updateCustomer')({ ...state.customer, Notes: 'modifié' })
    assert.strictEqual(state.customer.SyncToken, '1')
    assert.strictEqual(state.customer.Notes, 'modifié')
  },
  'sparse update, then a stale one': async () => {
    const change = { Id: state.customer.Id, SyncToken: '1', sparse: true, Notes: 'encore' }
    assert.strictEqual((await call('updateCustomer')({ ...change })).SyncToken, '2')
    const refusal = await fault(call('updateCustomer')({ ...change }))
    assert.strictEqual(refusal.Error[0].code, '5010')
  },
  'invoice and payment': async () => {
    const ref = { value: state.customer.Id }
    state.invoice = await call('createInvoice')({ CustomerRef: ref, Line: [line(100.10, 'un'), line(49.90, 'deux')] })
    assert.strictEqual(state.invoice.TotalAmt, 150)
    state.payment = await call('createPayment')({
      CustomerRef: ref, TotalAmt: 50,
      Line: [{ Amount: 50, LinkedTxn: [{ TxnId: state.invoice.Id, TxnType: 'Invoice' }] }]
    })
    assert.strictEqual((await call('getInvoice')(state.invoice.Id)).Balance, 100)
  },
  'every entity the library knows is found': async () => {
    const kinds = ['Account', 'Attachable', 'Bill', 'BillPayment', 'Class', 'CreditMemo', 'Department', 'Deposit', 'Employee', 'Estimate',
      'Item', 'JournalEntry', 'PaymentMethod', 'Purchase', 'PurchaseOrder', 'RefundReceipt', 'SalesReceipt', 'TaxCode', 'TaxRate',
      'Term', 'TimeActivity', 'Vendor', 'VendorCredit']
    for (const kind of kinds) {
      const plural = kind.replace(/y$/, 'ie').replace(/ss$/, 'sse') + 's'
      const found = await call('find' + plural)({ limit: 5 })
      const off = kind === 'Class' || kind === 'Department'
      assert.strictEqual((found.QueryResponse[kind] || []).length > 0, !off, kind)
    }
  },
  'what is bought and booked': async () => {
    const vendor = await call('createVendor')({ DisplayName: 'Fournisseur node' })
    const spent = { Amount: 40, DetailType: 'AccountBasedExpenseLineDetail', AccountBasedExpenseLineDetail: { AccountRef: { value: '92' } } }
    const bill = await call('createBill')({ VendorRef: { value: vendor.Id }, Line: [spent] })
    const paid = await call('createBillPayment')({
      VendorRef: { value: vendor.Id }, TotalAmt: 40, PayType: 'Check', CheckPayment: { BankAccountRef: { value: '1' } },
      Line: [{ Amount: 40, LinkedTxn: [{ TxnId: bill.Id, TxnType: 'Bill' }] }]
    })
    assert.strictEqual((await call('getBill')(bill.Id)).Balance, 0)
    assert.strictEqual((await call('deleteBillPayment')(paid.Id)).BillPayment.status, 'Deleted')
    const side = (kind, account) => ({ Amount: 7, DetailType: 'JournalEntryLineDetail', JournalEntryLineDetail: { PostingType: kind, AccountRef: { value: account } } })
    assert.strictEqual((await call('createJournalEntry')({ Line: [side('Debit', '91'), side('Credit', '95')] })).TotalAmt, 0)
    const refusal = await fault(call('createJournalEntry')({ Line: [side('Debit', '91'), side('Debit', '95')] }))
    assert.strictEqual(refusal.Error[0].code, '2300')
  },
  'void and delete by id': async () => {
    const voided = await call('voidInvoice')(state.invoice.Id)
    assert.strictEqual(voided.Invoice.TotalAmt, 0)
    const deleted = await call('deletePayment')(state.payment.Id)
    assert.strictEqual(deleted.Payment.status, 'Deleted')
  },
  'change data capture': async () => {
    const answer = await call('changeDataCapture')(['Customer', 'Invoice', 'Payment', 'Term'], state.since.toISOString())
    const blocks = answer.CDCResponse[0].QueryResponse
    assert.deepStrictEqual(blocks[0].Customer.map(c => c.Id), [state.customer.Id])
    assert.deepStrictEqual(blocks[1].Invoice.map(i => i.Id), [state.invoice.Id])
    assert.strictEqual(blocks[2].Payment[0].status, 'Deleted')
    assert.deepStrictEqual(blocks[3], {})
  }
}

async function main () {
  let passed = 0
  let failed = 0
  for (const [name, step] of Object.entries(steps)) {
    try {
      await step()
      passed++
      console.log('ok      ' + name)
    } catch (error) {
      failed++
      console.log('FAILED  ' + name + ': ' + (error.response ? JSON.stringify(error.response.data) : error.stack || JSON.stringify(error)))
    }
  }
  console.log(`${passed} passed, ${failed} failed`)
  process.exit(failed ? 1 : 0)
}

main()
