/*
 * The problems of qbsync.problem in other languages than English, which stands there.
 */

CREATE TABLE qbsync.problem_text (
	code		text NOT NULL,
	language	text NOT NULL,
	meaning		text NOT NULL,
	remedy		text NOT NULL,
	PRIMARY KEY (code, language)
);
COMMENT ON TABLE qbsync.problem_text IS 'Meaning and remedy of problems in other languages than English: French; qbsync.error_open shows them by policy language';

INSERT INTO qbsync.problem_text (language, code, meaning, remedy)
SELECT 'fr', t.code, t.meaning, t.remedy
FROM (VALUES
	-- between the gateway and Intuit
	('unreachable', 'Les serveurs d''Intuit n''ont pas pu être joints ou n''ont pas répondu.', 'Rien ; qbsync réessaie de lui-même. Si cela dure, vérifiez le réseau et les adresses de qbsync.environment.'),
	('intuit_failing', 'Les serveurs d''Intuit ont répondu par une erreur interne.', 'Rien ; qbsync réessaie de lui-même. Si cela dure, voyez status.developer.intuit.com et donnez l''intuit_tid de qbsync.http_log au soutien d''Intuit.'),
	('throttled', 'Intuit a demandé une pause après trop de requêtes.', 'Rien ; l''entreprise reprend à la fin de la pause. Si cela arrive souvent, baissez les limites dans qbsync.environment ou cherchez ce qui utilise aussi cette application.'),
	('not_understood', 'La réponse d''Intuit n''était pas celle que promet sa documentation.', 'Rien ; qbsync réessaie de lui-même. Si cela dure, signalez-le avec l''intuit_tid de qbsync.http_log.'),
	('too_big', 'Une réponse dépassait qbsync.max_response_size, ou la demande dépassait ce qu''Intuit donne ou prend en une fois.', 'Rien ; qbsync demande des pages plus petites. Si une seule fiche est aussi grande, augmentez qbsync.max_response_size.'),
	('wrong_secret', 'Intuit n''accepte pas le client id et le secret de l''application.', 'Vérifiez le client_id de l''application (qbsync_app) et son client_secret dans le fichier qbsync.credentials_file, puis rechargez la configuration du serveur.'),
	('secret_missing', 'Le client secret de l''application n''est pas connu ici.', 'Mettez-le dans le fichier nommé par qbsync.credentials_file et rechargez la configuration du serveur.'),
	('token_missing', 'Il n''y a pas de jeton d''actualisation (refresh token) pour cette entreprise.', 'Reconnectez-la : qbsync_authorize_url, puis qbsync_connect ; ou mettez le jeton dans le fichier nommé par qbsync.credentials_file.'),
	('grant_revoked', 'L''autorisation n''est plus valable : elle a été retirée, elle a expiré, ou l''application a été déconnectée dans QuickBooks.', 'Reconnectez l''entreprise : SELECT qbsync_authorize_url(connection => …), puis qbsync_connect avec ce que le navigateur a rapporté. Rien n''est perdu.'),
	('code_rejected', 'Intuit n''a pas accepté le code d''autorisation : il a déjà servi, il est trop ancien, ou l''adresse de retour diffère de celle enregistrée.', 'Demandez un nouveau lien avec qbsync_authorize_url ; comparez le redirect_uri de l''application avec celui enregistré chez Intuit.'),
	('wrong_environment', 'L''autorisation n''est pas valable ici pour cette entreprise : clés de test avec une vraie entreprise ou l''inverse, ou application déconnectée dans QuickBooks.', 'Vérifiez l''environnement et le client_id de l''application (qbsync_app), puis reconnectez.'),
	('no_permission', 'La personne qui a connecté l''entreprise n''a plus le droit d''utiliser son API.', 'Faites reconnecter l''entreprise par un de ses administrateurs.'),
	('suspended', 'Intuit suspend l''entreprise : abonnement terminé, verrouillage ou maintenance.', 'Réglez cela dans QuickBooks ; qbsync vérifie de lui-même.'),
	('key_file_missing', 'Le fichier de la clé de chiffrement ne peut pas être lu.', 'Restaurez le fichier nommé dans le détail (réglage qbsync.key_file), ou reconnectez après avoir retiré ce qu''il chiffrait.'),
	('key_changed', 'Les secrets ont été chiffrés avec une autre clé que celle du fichier.', 'Remettez l''ancien fichier de clé, ou enregistrez de nouveau les secrets : fichier des identifiants, qbsync_connect.'),
	('secret_damaged', 'Un secret enregistré ne se déchiffre pas.', 'Enregistrez-le de nouveau : fichier des identifiants, ou qbsync_connect.'),
	('clone', 'Cette base de données est une copie de celle qui a fait la connexion ; deux copies ne doivent pas utiliser la même autorisation.', 'Si l''original n''existe plus : SELECT qbsync_confirm_clone(connection => …, moved => true). S''il vit encore : SELECT qbsync_confirm_clone(connection => …), puis reconnectez.'),
	('internal', 'Une erreur dans qbsync ou dans cette base de données.', 'Voyez le détail et le journal du serveur.'),
	('company_reset', 'L''entreprise a été réinitialisée dans QuickBooks ; tout est relu.', 'Rien, à moins que ce ne soit une surprise.'),
	('forbidden', 'Intuit, ou un intermédiaire, refuse l''accès sans dire pourquoi (HTTP 403).', 'Rien au début ; qbsync vérifie de lui-même. Si cela dure, cherchez un mandataire (proxy) ou un pare-feu sur le chemin et vérifiez l''état de l''application chez Intuit.'),
	('wrong_scope', 'Intuit ne permet pas à l''application de demander l''accès aux données comptables.', 'Donnez à l''application l''étendue com.intuit.quickbooks.accounting dans le portail des développeurs d''Intuit, puis reconnectez.'),
	('unknown_time_zone', 'PostgreSQL ne connaît pas le fuseau horaire de l''entreprise ; UTC sert pour les échéances.', 'Vérifiez le fuseau horaire dans les paramètres du compte QuickBooks.'),

	-- around a connection
	('not_preloaded', 'La bibliothèque n''est pas chargée au démarrage du serveur ; aucun processus ne peut donc tourner.', 'Ajoutez qbsync à shared_preload_libraries et redémarrez le serveur.'),
	('no_slot', 'Le serveur n''a plus de place pour un processus d''arrière-plan.', 'Augmentez max_worker_processes et redémarrez le serveur ; qbsync réessaie de lui-même.'),
	('versions_apart', 'La bibliothèque et l''extension de cette base n''ont pas la même version.', 'ALTER EXTENSION qbsync UPDATE ; et redémarrez le serveur si sa bibliothèque est la plus ancienne.'),
	('backing_off', 'Le processus gateway s''est terminé par une erreur et redémarre dans un moment.', 'Voyez le journal du serveur. Il redémarre de lui-même.'),
	('yielded', 'Le processus gateway a laissé la place à DROP, RENAME ou à la copie de cette base.', 'Rien ; il revient ensuite.'),
	('absent', 'Aucun processus gateway ne doit tourner dans cette base.', 'Ajoutez la base à qbsync.databases, ou videz ce réglage, et rechargez la configuration du serveur.'),
	('standby', 'Ce serveur est un serveur de secours ; le serveur principal fait le travail.', 'Rien ; qbsync démarre ici après une promotion.'),
	('server_paused', 'Le réglage qbsync.paused empêche ce serveur de parler à Intuit.', 'Si ce serveur n''est pas la copie d''un autre : ALTER SYSTEM RESET qbsync.paused (ou modifiez postgresql.conf), puis SELECT pg_reload_conf().'),
	('authorizing', 'Personne ne s''est encore connecté à l''entreprise.', 'Connectez-vous : SELECT qbsync_authorize_url(connection => …), puis qbsync_connect.'),
	('unconfirmed', 'Une personne doit confirmer que c''est la bonne entreprise ; jusque-là, seul son nom est lu.', 'Si c''est la bonne : qbsync_confirm_company ; sinon : qbsync_disconnect.'),
	('refresh_expiring', 'L''autorisation n''a pas servi depuis longtemps et va bientôt prendre fin pour cette raison.', 'Reprenez la connexion, ou connectez-vous de nouveau : SELECT qbsync_authorize_url(connection => …), puis qbsync_connect.'),
	('grant_expiring', 'L''autorisation prend bientôt fin, quoi qu''il arrive : Intuit demande une nouvelle connexion tous les cinq ans.', 'Reconnectez-vous avant : SELECT qbsync_authorize_url(connection => …), puis qbsync_connect. Rien n''est perdu.'),

	-- records of QuickBooks
	('bad_record', 'Une fiche de QuickBooks n''a pas pu être enregistrée.', 'Voyez le détail ; les octets de la fiche sont conservés. Une nouvelle tentative a lieu chaque fois que QuickBooks l''envoie.'),
	('incomplete', 'QuickBooks compte un autre nombre de fiches qu''il n''en remet.', 'Rien ; les fiches sont comparées de nouveau après la prochaine lecture complète. Si cela persiste, comparez la liste de QuickBooks avec la table.'),
	('bad_value', 'Un champ d''une fiche a une valeur d''un autre type que celui documenté ; la fiche est enregistrée, la colonne est vide.', 'Voyez dans raw ce que QuickBooks a envoyé.'),
	('altered_text', 'Une fiche contient des caractères ou des nombres que PostgreSQL ne peut pas enregistrer ; ils ont été remplacés.', 'Corrigez la fiche dans QuickBooks ; qbsync n''y renvoie jamais la valeur remplacée.'),
	('gone', 'La fiche n''est plus dans QuickBooks : elle a été supprimée, fusionnée ou désactivée.', 'Rien ; qbsync regarde ce qu''elle est devenue. Si une autre fiche y renvoie, choisissez-y une fiche active.'),
	('stale', 'La fiche, ou une fiche liée, a été modifiée entre-temps dans QuickBooks.', 'Rien ; qbsync la relit, réunit les changements et la renvoie.'),
	('rejected', 'QuickBooks refuse ce qui a été envoyé.', 'Voyez le message de QuickBooks et le champ qu''il nomme ; corrigez la valeur dans le CRM, et elle est renvoyée.'),
	('bad_reference', 'La fiche renvoie à une autre qui manque ou est inactive dans QuickBooks.', 'Réactivez celle-ci dans QuickBooks, ou choisissez-en une autre dans le CRM.'),
	('duplicate_name', 'Un autre client, fournisseur ou employé de QuickBooks, peut-être inactif, porte ce nom.', 'Liez la fiche à celui-ci, ou changez l''un des noms.'),
	('duplicate_number', 'Une autre transaction de QuickBooks porte ce numéro de document.', 'Le message dit laquelle ; liez la fiche à celle-ci, ou donnez un autre numéro.'),
	('tax_code', 'QuickBooks n''accepte pas le code ou le taux de taxe d''une ligne.', 'Comparez les codes de taxe des lignes de la fiche avec ceux de l''entreprise dans QuickBooks.'),
	('books_closed', 'L''exercice comptable est clos dans QuickBooks.', 'Utilisez une date postérieure à la clôture, ou rouvrez les livres dans QuickBooks (Compte et paramètres, Avancé, Comptabilité).'),
	('not_available', 'L''abonnement de l''entreprise, ses préférences ou le rôle de la personne connectée ne le permettent pas.', 'Activez la fonction dans QuickBooks, changez d''abonnement ou faites reconnecter un administrateur ; ou cessez de l''envoyer.'),

	-- records on their way into the CRM
	('crm_refused', 'La base de données du CRM refuse la fiche : une contrainte, un déclencheur ou un type ne le permet pas.', 'Le détail donne les mots de PostgreSQL ; corrigez la fiche dans QuickBooks ou la règle dans le CRM. Une nouvelle tentative a lieu d''elle-même, ou tout de suite avec SELECT qbsync_retry(…).'),
	('crm_busy', 'Une autre session tient la fiche du CRM, ou les deux se sont gênées.', 'Rien ; qbsync réessaie de lui-même, il ne fait jamais attendre le CRM. Si cela dure, cherchez une transaction restée ouverte sur cette table (pg_stat_activity).'),
	('crm_slow', 'Le CRM met si longtemps à enregistrer la fiche (un déclencheur lent, par exemple) que d''autres sessions attendraient ; l''écriture a été annulée.', 'Rien ; qbsync l''essaie seule à un autre moment. Si cela persiste, accélérez le déclencheur ou augmentez qbsync.max_lock_wait.'),
	('crm_no_key', 'La vue a accepté une nouvelle fiche sans rendre de clé : son déclencheur INSTEAD OF INSERT laisse la colonne de la clé vide. La fiche a été retirée.', 'Que le déclencheur remplisse la clé de NEW et rende NEW ; puis SELECT qbsync_retry(…).'),
	('crm_returned_nothing', 'La vue a accepté la fiche, mais rien n''a été écrit : un déclencheur ou une règle du CRM l''a absorbée, ou la ligne est cachée au rôle de la correspondance.', 'Cherchez un déclencheur qui rend NULL et une sécurité par ligne (row-level security) sur la table ; puis SELECT qbsync_retry(…).'),
	('crm_key_changed', 'Un déclencheur du CRM a donné une autre clé à la fiche pendant l''écriture ; elle aurait été perdue. L''écriture a été annulée.', 'Que le déclencheur ne touche pas à la clé quand la ligne est modifiée ; puis SELECT qbsync_retry(…).'),
	('crm_missing', 'La fiche du CRM liée à cette fiche de QuickBooks n''existe plus ou n''est plus montrée par sa vue ; elle n''est pas recréée.', 'Remettez-la dans la vue, ou décidez avec qbsync_unlink.'),
	('reference_waiting', 'La fiche renvoie à une autre (client, produit, facture) qui n''est pas encore liée.', 'Rien si l''autre est en route : la fiche continue dès que celle-ci est liée. Sinon, liez-la, ou décidez dans qbsync.duplicate ou qbsync.unlinked.'),
	('unlinked_invoice', 'Un paiement d''une facture que le CRM n''a pas (politique unlinked_payment).', 'Rien si cette facture ne doit pas être dans le CRM ; sinon, laissez-la entrer ou liez-la, et le paiement suit.'),
	('value_not_mapped', 'QuickBooks a une valeur que la table de valeurs de la colonne ne connaît pas.', 'Donnez la valeur correspondante du CRM : SELECT qbsync_map_value(…) ; ce qui l''attendait continue aussitôt.'),
	('transition_not_allowed', 'Un événement de QuickBooks ferait quitter à une colonne du CRM une valeur qu''elle ne doit pas quitter ainsi. L''événement est gardé.', 'Mettez dans le CRM une valeur d''où le passage est permis, ou permettez-le : SELECT qbsync_map_event(…, from_values => …). Une nouvelle tentative a lieu d''elle-même.'),
	('mapping_broken', 'La correspondance ne convient plus au CRM : une vue, une colonne, une fonction ou un rôle a disparu ou changé, ou son rôle a perdu un droit.', 'Voyez le détail et qbsync.mapping_status ; réparez, ou déclarez de nouveau la correspondance avec qbsync_map sous le même nom. Liens et décisions sont gardés ; les autres correspondances continuent.'),
	('crm_refuses_all', 'Le CRM refuse une fiche après l''autre, toutes pour la même raison.', 'Le détail donne les mots de PostgreSQL. Réparez cela dans le CRM, puis SELECT qbsync_retry_all(…) ; qbsync vérifie aussi de lui-même.'),
	('rls_hides_all', 'La sécurité par ligne ne montre aucune ligne au rôle de la correspondance, alors que des fiches sont liées : le plus souvent, un réglage qui nomme le locataire manque. Ce n''est pas pris pour une suppression.', 'Donnez à la correspondance le réglage que lisent ses règles : SELECT qbsync_map(…, settings => ''{"app.tenant": "…"}'').'),
	('watch_lost', 'Une table surveillée n''a pas de déclencheur actif : elle a été supprimée et recréée, ou le déclencheur a été supprimé ou désactivé. Ce qui y change n''est pas remarqué avant la comparaison de toutes les fiches, la nuit ; tout le reste continue.', 'Appelez, comme propriétaire de la table : SELECT qbsync_enable(mapping => …). Les déclencheurs sont remis, et toutes les fiches comparées aussitôt.'),
	('watch_fails', 'Une ligne d''une table surveillée a changé dans le CRM, et la requête de la liste de surveillance qui mène d''elle aux fiches de la correspondance échoue pour elle. Ce qui a changé n''est pas encore envoyé ; tout le reste continue.', 'Le détail donne les mots de PostgreSQL ; corrigez la ligne ou la requête (qbsync_map avec une autre liste de surveillance). Une nouvelle tentative a lieu d''elle-même, ou tout de suite avec SELECT qbsync_retry(…).'),
	('remote_merge', 'Deux fiches de QuickBooks liées à deux fiches du CRM ont été fusionnées.', 'Fusionnez les deux dans le CRM et indiquez-le avec qbsync_merge, ou déliez l''une d''elles.'),

	-- records on their way to QuickBooks
	('send_too_long', 'Un champ du CRM est plus long que ce que QuickBooks accepte. Rien n''a été envoyé.', 'Raccourcissez-le dans le CRM ; la fiche part ensuite d''elle-même.'),
	('send_bad_characters', 'Un champ du CRM contient des caractères que QuickBooks n''y accepte pas. Rien n''a été envoyé.', 'Retirez-les dans le CRM ; la fiche part ensuite d''elle-même.'),
	('send_bad_email', 'QuickBooks n''accepterait pas une adresse e-mail du CRM. Rien n''a été envoyé.', 'Corrigez-la dans le CRM ; la fiche part ensuite d''elle-même.'),
	('send_bad_value', 'Un champ du CRM a une valeur que QuickBooks n''y accepte pas. Rien n''a été envoyé.', 'Corrigez-la dans le CRM, ou complétez sa table de valeurs : SELECT qbsync_map_value(…) ; la fiche part ensuite d''elle-même.'),
	('send_no_name', 'La fiche du CRM n''a pas de nom, et QuickBooks en veut un. Rien n''a été envoyé.', 'Donnez-lui un nom dans le CRM ; elle part ensuite d''elle-même.'),
	('send_missing', 'Un champ obligatoire dans QuickBooks est vide dans le CRM. Rien n''a été envoyé.', 'Remplissez-le dans le CRM ; la fiche part ensuite d''elle-même.'),
	('send_cannot_empty', 'Le CRM a vidé un champ qui ne peut être vidé que dans QuickBooks. Rien n''a été envoyé.', 'Videz-le dans QuickBooks.'),
	('settle_fails', 'QuickBooks a fait ce qui lui a été envoyé, mais sa réponse ne peut pas être enregistrée ici : cette base de données la refuse. Les autres fiches continuent ; celle-ci n''est pas renvoyée.', 'Le détail donne les mots de PostgreSQL : le plus souvent une contrainte ou un déclencheur mis sur une table du schéma qbsync. Retirez-le ; une nouvelle tentative a lieu d''elle-même, ou tout de suite avec SELECT qbsync_retry(…).'),
	('send_unanswered', 'La fiche a été envoyée à QuickBooks, et aucune réponse n''est venue : on ne sait pas si l''envoi a eu son effet. Ce que QuickBooks montre d''elle depuis, et les nouveaux clients qui peuvent être elle, ne sont pas repris avant qu''on le sache.', 'Rien tant que l''entreprise est active : l''envoi est répété, de façon à n''avoir son effet qu''une fois, jusqu''à ce que QuickBooks réponde (appels et numéros de trace d''Intuit : qbsync.http_log), et une fiche à créer y est cherchée par son nom. Tant que l''entreprise est en pause ou déconnectée, personne ne demande : voyez dans QuickBooks si elle y est ; la question est posée dès que l''entreprise est de nouveau active.'),
	('send_waiting', 'La fiche du CRM renvoie à une autre (un parent, par exemple) qui n''est pas encore dans QuickBooks.', 'Rien si l''autre est en route : la fiche part dès que celle-ci est liée. Sinon, envoyez l''autre : SELECT qbsync_push(…).'),
	('send_not_shown', 'La fiche du CRM devait être créée dans QuickBooks, mais la vue de la correspondance ne la montre pas : aucune n''a cette clé, ou elle n''en fait pas partie. Rien n''a été envoyé.', 'Faites-la entrer dans la vue, et elle part d''elle-même ; pour une personne qui représente une société, envoyez la société : SELECT qbsync_push(…). Elle est oubliée après un jour.'),
	('send_may_exist', 'La fiche du CRM devait être créée dans QuickBooks, qui l''a peut-être déjà. Rien n''a été envoyé.', 'Voyez qbsync.duplicate : liez les deux, ou rejetez le rapprochement ; la fiche part ensuite d''elle-même.'),
	('send_refused', 'QuickBooks a refusé ce qui a été envoyé.', 'Voyez le message de QuickBooks et le champ qu''il nomme ; corrigez la valeur dans le CRM, et elle est renvoyée. Une nouvelle tentative a aussi lieu d''elle-même, ou tout de suite avec SELECT qbsync_retry(…).'),
	('send_name_taken', 'Un autre client, fournisseur ou employé de QuickBooks, peut-être inactif, porte ce nom.', 'Liez la fiche du CRM à ce client (qbsync_link), ou changez l''un des deux noms ; elle est ensuite renvoyée.'),
	('send_stale', 'La fiche a changé plusieurs fois dans QuickBooks pendant l''envoi.', 'Rien ; qbsync la relit, réunit les changements et la renvoie.'),
	('send_gone', 'La fiche, ou une fiche à laquelle elle renvoie, a été supprimée, fusionnée ou désactivée dans QuickBooks.', 'Réactivez-la dans QuickBooks, ou choisissez-en une autre dans le CRM ; elle est ensuite renvoyée.'),
	('send_bad_reference', 'La fiche renvoie à une autre qui manque ou est inactive dans QuickBooks.', 'Réactivez celle-ci dans QuickBooks, ou choisissez-en une autre dans le CRM ; elle est ensuite renvoyée.'),
	('send_has_balance', 'QuickBooks ne désactive pas un client qui a un solde ou des frais à facturer.', 'Réglez-les dans QuickBooks ; la fiche est ensuite renvoyée d''elle-même, ou tout de suite avec SELECT qbsync_retry(…).'),
	('send_bad_parent', 'QuickBooks n''accepte pas le parent : il manque, se trouve sous la fiche elle-même, ou trop de niveaux sont au-dessus.', 'Corrigez le parent dans le CRM ; la fiche est ensuite renvoyée.'),
	('send_not_available', 'L''abonnement de l''entreprise, ses préférences ou le rôle de la personne connectée ne le permettent pas.', 'Activez la fonction dans QuickBooks, changez d''abonnement ou faites reconnecter un administrateur ; ou retirez la colonne de la correspondance.'),
	('send_failing', 'QuickBooks a échoué plusieurs fois sur cette fiche, par une erreur interne.', 'Rien ; une nouvelle tentative a lieu d''elle-même. Si cela persiste, donnez l''intuit_tid au soutien d''Intuit.'),
	('send_internal', 'QuickBooks n''a pas compris ce que qbsync a envoyé : une erreur de qbsync.', 'Signalez-la avec le code, le message et l''intuit_tid.'),
	('send_ambiguous', 'On ne sait pas si QuickBooks a créé la fiche, et plusieurs fiches pourraient être celle-ci.', 'Liez la fiche du CRM à la bonne : SELECT qbsync_link(…) ; ou, si aucune ne l''est, SELECT qbsync_retry(…).'),
	('send_answered_other', 'QuickBooks dit avoir déjà créé cette fiche et en nomme une autre : créée pour cette fiche du CRM, ou pour une qui avait sa clé, et que cette base, restaurée depuis, ne connaît pas.', 'Si la fiche nommée est bien celle-ci, liez les deux : SELECT qbsync_link(…) ; sinon SELECT qbsync_retry(…), et elle est créée.')
) AS t(code, meaning, remedy);
